#!/usr/bin/python3
"""An administrator's own `inet filter` table whose forward chain drops by default, loaded anew in either of the usual
ways: the table alone, or the whole file with Debian's `flush ruleset` at its head.
"""

from __future__ import annotations

import unittest

from neighbour import Neighbour, Options, topology
from lab import HomeFirewall

_FILTER = f"""
table inet filter {{
    chain input {{ type filter hook input priority filter; policy accept; }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        iifname "{topology.BRIDGE}" oifname "{topology.UPLINK}" tcp dport {{ 80, 443 }} accept
        iifname "{topology.BRIDGE}" oifname "{topology.BRIDGE}" accept
        counter comment "dropped"
    }}
}}
"""
_NAT = f"""
table ip nat {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "{topology.UPLINK}" masquerade
    }}
}}
"""
_FILE = "/run/nftables.conf"


class Filter(Neighbour):
    whole_file = False  # or the table alone

    def load(self) -> None:
        """The first load and every later one, as `systemctl reload nftables` does it."""
        alone = f"table inet filter\ndelete table inet filter\n{_FILTER}"
        self.host.path(_FILE).write_text(f"flush ruleset\n{_NAT}{_FILTER}" if self.whole_file else alone)
        self.host.run(["nft", "-f", _FILE])


    def check_itself(self) -> None:
        """Its administrator's own: a rule more, and all of them listed."""
        self.host.run(["nft", "add", "rule", "inet", "filter", "forward", "tcp", "dport", "993", "accept"])
        self.host.run(["nft", "list", "ruleset"])


class Cases(Filter):
    def test_a_day(self) -> None:
        """Loaded anew it has our admission no longer: told, and mended."""
        self.assert_a_day(self.load, prepare=self.load, taken=("admission", "inet filter forward"))

    def test_mail_passes_and_nothing_else_joins(self) -> None:
        self.load()
        before = self.lab.container.seen_as(topology.MX, 587, bound=1)
        self.enable_both()
        self.assert_kept()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 587, bound=1), before)

    def test_one_that_comes_later_is_told_and_mended(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.load()
            self.assert_told_and_mended("inet filter forward")

    def test_a_rule_added_takes_nothing(self) -> None:
        self.load()
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.host.run(["nft", "add", "rule", "inet", "filter", "forward", "tcp", "dport", "993", "accept"])
            self.host.run(["nft", "list", "ruleset"])
            self.assert_kept()


class AtHome(Cases):
    options = Options(home_firewall=HomeFirewall.NONE)


class AtHomeWholeFile(Cases):
    options = Options(home_firewall=HomeFirewall.NONE)
    whole_file = True


class BesideDocker(Cases):
    pass


class OnTheVps(Cases):
    side = "vps"


class OnTheVpsWholeFile(Cases):
    side = "vps"
    whole_file = True


del Filter, Cases  # unittest would run them as they are

if __name__ == "__main__":
    unittest.main()
