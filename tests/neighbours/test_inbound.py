#!/usr/bin/python3
"""`inbound`: what the VPS may begin with the sources, on a host where nothing else stands in its way. As shipped, all
that it could without us, and nothing more; with `published`, what the host publishes, and nothing else (FACTS 25).
"""

from __future__ import annotations

import itertools
import unittest

from neighbour import IPV6, Neighbour, Options, topology
from ways_in import ways_in

from lab import HomeFirewall
from lab.waiting import read_until

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
_LISTEN = """
import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""
_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
    print("connected")
except OSError as error:
    print(error)
"""


class Inbound(Neighbour):
    options = Options(home_firewall=HomeFirewall.NONE)
    home_tunnel = topology.HOME_TUNNEL

    def begin(self) -> None:
        self.lab.home.run(["nft", "-f", "-"], input=_PUBLISH)
        listener = self.lab.container.start(["/usr/bin/python3", "-c", _LISTEN, str(_LISTENING)])
        read_until(listener.stdout, b"listening", "the container's server")

    def connect(self, address: str, port: int) -> str:
        return self.lab.vps.output(["/usr/bin/python3", "-c", _CONNECT, address, str(port)]).strip()

    def assert_open(self) -> None:
        self.assertNotEqual(ways_in(self.lab, self.family), (), "closed without us too: this would prove nothing")
        self.assertEqual("connected", self.connect(self.family.container, _LISTENING))
        self.assertEqual("connected", self.connect(self.home_tunnel, _PUBLISHED))

    def assert_only_the_published(self) -> None:
        self.assertEqual(ways_in(self.lab, self.family), ())
        self.assertEqual("timed out", self.connect(self.family.container, _LISTENING))
        self.assertEqual("connected", self.connect(self.home_tunnel, _PUBLISHED))

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
    home_tunnel = topology.HOME6_TUNNEL


if __name__ == "__main__":
    unittest.main()
