#!/usr/bin/python3
"""`inbound`: what the VPS may begin with the sources, on a host where nothing else stands in its way. As shipped, all
that it could without us, and nothing more; with `published`, what the host publishes, and nothing else (FACTS 25).
"""

from __future__ import annotations

import itertools
import unittest

from neighbour import IPV6, Neighbour, Options, topology
from ways_in import connect, serve, ways_in

from lab import HomeFirewall

_LISTENING = 2500  # of the container's, where a server is; ways_in's own port has none
_PUBLISHED = 2525  # of the home host's, as Docker's `--publish 2525:2500` has it
_PUBLISH = f"""
table inet publishing {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr {topology.HOME_TUNNEL} tcp dport {_PUBLISHED} dnat ip to {topology.CONTAINER}:{_LISTENING}
    ip6 daddr {topology.HOME6_TUNNEL} tcp dport {_PUBLISHED} dnat ip6 to [{topology.CONTAINER6}]:{_LISTENING}
  }}
}}
"""


class Inbound(Neighbour):
    options = Options(home_firewall=HomeFirewall.NONE)
    home_tunnel, any_address = topology.HOME_TUNNEL, "0.0.0.0"

    def begin(self) -> None:
        self.lab.home.run(["nft", "-f", "-"], input=_PUBLISH)
        serve(self.lab.container, _LISTENING, address=self.any_address)

    def assert_open(self) -> None:
        self.assertNotEqual(ways_in(self.lab, self.family), (), "closed without us too: this would prove nothing")
        self.assertEqual("connected", connect(self.lab.vps, self.family.container, _LISTENING))
        self.assertEqual("connected", connect(self.lab.vps, self.home_tunnel, _PUBLISHED))

    def assert_only_the_published(self) -> None:
        self.assertEqual(ways_in(self.lab, self.family), ())
        self.assertEqual("timed out", connect(self.lab.vps, self.family.container, _LISTENING))
        self.assertEqual("connected", connect(self.lab.vps, self.home_tunnel, _PUBLISHED))

    def test_published_closes_the_rest_in_every_variant(self) -> None:
        before = self.all_of(self.lab.home)
        self.assert_open()
        for self.steering, self.nat in itertools.product(("mark", "rule"), ("preserve", "masquerade")):
            with self.subTest(steering=self.steering, nat=self.nat):
                self.enable_vps()
                self.enable_home()
                self.assert_open()
                self.inbound = "published"
                self.enable_home()
                self.assert_only_the_published()
                with self.no_leak(), self.knocking():
                    self.assert_kept()
                    self.assertTrue(self.lab.container.reaches(self.family.vps_tunnel), "what it begins itself")
                self.inbound = "any"
                self.enable_home()
                self.assert_open()
                self.disable_both()
                self.assert_same(before, self.all_of(self.lab.home))


class InboundOverIPv6(Inbound):
    family = IPV6
    home_tunnel, any_address = topology.HOME6_TUNNEL, "::"


if __name__ == "__main__":
    unittest.main()
