#!/usr/bin/python3
"""firewalld's reverse-path filter for IPv6, which Debian leaves on. The kernel has none of its own for IPv6, no sysctl
loosens this one, and replies come in by the tunnel while the main table would answer them by the uplink.
"""

from __future__ import annotations

import itertools
import unittest
from typing import Callable

from firewalld_neighbour import Firewalld
from neighbour import IPV6, Options, topology

from lab import HomeFirewall


_LARGE = 1_000_000
_DROP = "meta nfproto ipv6 fib saddr . mark . iif oif missing drop"
# An administrator's own, ahead of any mark that could be set: nothing of ours passes it.
_OWN_FILTER = """table ip6 reverse-path {
    chain prerouting {
        type filter hook prerouting priority raw; policy accept;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        fib saddr . iif oif missing drop
    }
}
"""


class OverIpv6(Firewalld):
    options = Options(home_firewall=HomeFirewall.NONE)
    family = IPV6
    others_use_iptables = False
    default = "IPv6_rpfilter=yes"

    def configure(self) -> None:
        self.assert_default(self.default)

    def assert_in_force(self, rule: str) -> None:
        self.assertIn(rule, self.host.output(["nft", "list", "chain", "inet", "firewalld", "filter_PREROUTING"]))


class Cases(OverIpv6):
    def prepare(self) -> None:
        """What a person has to tell this firewalld anyway."""

    def in_each_variant(self, check: Callable[[], None]) -> None:
        self.prepare()
        self.assert_in_force(_DROP)
        for self.steering, self.nat in itertools.product(("mark", "rule"), ("preserve", "masquerade")):
            with self.subTest(steering=self.steering, nat=self.nat):
                self.enable_both()
                check()
                self.disable_both()

    def test_mail_passes_its_reverse_path_filter_in_each_variant(self) -> None:
        def check() -> None:
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()

        self.in_each_variant(check)

    def test_packet_too_big_passes_it_too(self) -> None:
        """From a router behind the VPS, where the path is narrower than the tunnel."""
        def check() -> None:
            for host in (self.lab.mx, self.lab.container):
                host.run(["ip", "-6", "route", "flush", "cache"])
            with self.lab.capture(self.lab.container, topology.UPLINK, "icmp6 and ip6[40] == 2") as errors:
                self.assert_mail_passes(_LARGE)
            self.assertGreater(errors.count, 0, "nothing was too big: this proves nothing")

        self.lab.isp.run(["ip", "link", "set", topology.ISP_TO_MX, "mtu", "1300"])
        self.in_each_variant(check)

    def test_where_no_mail_passes_verify_says_so(self) -> None:
        """Whoever's filter it is. If this firewalld's lets the mail through, an administrator's own does not."""
        self.prepare()
        self.enable_both()
        if self.try_mail().delivered:
            self.assert_kept()
            self.host.run(["nft", "-f", "-"], input=_OWN_FILTER)
            self.assert_told("ip6 reverse-path prerouting")
        else:
            self.assert_told("inet firewalld filter_PREROUTING")


class Strict(Cases):
    """firewalld 1, Debian 12's."""

    def test_an_ipv6_day(self) -> None:
        self.spend_a_day()

    def test_a_policy_of_its_own_survives_reloads(self) -> None:
        """What firewalld rejects by the destination (2002:c0a8::/32 and the like) is no reason for a rule of ours."""
        self.assert_policy_survives("--reload")


class OwnedTable(Cases):
    """firewalld 2, Debian 13's."""

    suite = "trixie"
    default = "IPv6_rpfilter=strict"

    def prepare(self) -> None:
        self.add_policy()


class SwitchedOff(OverIpv6):
    """That the filter alone is what stops the mail: without it, all holds."""

    chosen = "IPv6_rpfilter=no"

    def configure(self) -> None:
        self.change_default(self.default, to=self.chosen)

    def prepare(self) -> None:
        """As of Cases."""

    def test_mail_passes(self) -> None:
        self.prepare()
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_kept()


class Loose(SwitchedOff):
    """Loose filtering asks for any route back, by whatever interface."""

    suite, default, chosen = OwnedTable.suite, OwnedTable.default, "IPv6_rpfilter=loose"
    prepare = OwnedTable.prepare


del OverIpv6, Cases  # unittest would run them as they are

if __name__ == "__main__":
    unittest.main()
