#!/usr/bin/python3
"""mailcow's netfilter container beside us: what it does to the host's rules, and what it expects to find there.

It calls a chain MAILCOW of its own from the heads of INPUT and FORWARD, where bans and an isolation of mailcow's
databases stand, and it looks at both every ten seconds: a rule ahead of its call, and it restarts, which clears the
bans and puts the call first again. A rule of ours there would have the two push each other away for ever.
"""

from __future__ import annotations

import json
import unittest
from typing import Any

from scenario import Host, Options, Scenario, topology as at

from lab import Stack

BRIDGE = "br-mailcow"
DATABASES = "3306,6379,8983,12345"
BANNED = "203.0.113.66/32"
_CALL = "mailcow"


class OverNfTables:
    """The container with its nf_tables backend, in what it asks of the kernel."""

    furthest = 0  # where its call may stand

    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self) -> None:
        for family in ("ip", "ip6"):
            self._nft(f"add chain {family} filter MAILCOW")
            for chain in ("INPUT", "FORWARD"):
                if self._position(family, chain) is None:
                    self._nft(f'insert rule {family} filter {chain} counter jump MAILCOW comment "{_CALL}"')
        self._nft(f'insert rule ip filter MAILCOW iifname != "{BRIDGE}" oifname "{BRIDGE}" tcp dport {{ {DATABASES} }} '
                  'counter drop comment "mailcow isolation"')

    def ban(self, network: str) -> None:
        self._nft(f"insert rule ip filter MAILCOW ip saddr {network} counter drop")

    def stop(self) -> None:
        for family in ("ip", "ip6"):
            for chain in ("INPUT", "FORWARD"):
                for rule in self._rules(family, chain):
                    if rule.get("comment") == _CALL:
                        self._nft(f"delete rule {family} filter {chain} handle {rule['handle']}")
            self._nft(f"flush chain {family} filter MAILCOW", f"delete chain {family} filter MAILCOW")

    def complaints(self) -> list[str]:
        """What it would restart for."""
        found = ((family, chain, self._position(family, chain))
                 for family in ("ip", "ip6") for chain in ("INPUT", "FORWARD"))
        return [f"{family} {chain}: {place}" for family, chain, place in found
                if place is None or place > self.furthest]

    def _position(self, family: str, chain: str) -> int | None:
        rules = self._rules(family, chain)
        return next((place for place, rule in enumerate(rules) if rule.get("comment") == _CALL), None)

    def _rules(self, family: str, chain: str) -> list[dict[str, Any]]:
        listed = json.loads(self._host.output(["nft", "-j", "list", "chain", family, "filter", chain]))
        return [entry["rule"] for entry in listed["nftables"] if "rule" in entry]

    def _nft(self, *lines: str) -> None:
        self._host.run(["nft", "-f", "-"], input="\n".join(lines))


class OverIptables:
    """The same with its other backend."""

    furthest = 2

    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self) -> None:
        for iptables in ("iptables", "ip6tables"):
            self._host.run([iptables, "-N", "MAILCOW"])
            for chain in ("FORWARD", "INPUT"):
                self._host.run([iptables, "-I", chain, "-j", "MAILCOW"])
        self._host.run(["iptables", "-I", "MAILCOW", "!", "-i", BRIDGE, "-o", BRIDGE, "-p", "tcp",
                        "-m", "multiport", "--dports", DATABASES, "-j", "DROP"])

    def ban(self, network: str) -> None:
        self._host.run(["iptables", "-I", "MAILCOW", "-s", network, "-j", "REJECT"])

    def stop(self) -> None:
        for iptables in ("iptables", "ip6tables"):
            self._host.run([iptables, "-F", "MAILCOW"])
            for chain in ("FORWARD", "INPUT"):
                self._host.run([iptables, "-D", chain, "-j", "MAILCOW"])
            self._host.run([iptables, "-X", "MAILCOW"])

    def complaints(self) -> list[str]:
        found = []
        for iptables in ("iptables", "ip6tables"):
            for chain in ("FORWARD", "INPUT"):
                rules = [line for line in self._host.output([iptables, "-S", chain]).splitlines()
                         if line.startswith("-A")]
                places = [place for place, rule in enumerate(rules) if rule.endswith("-j MAILCOW")]
                if not places or places[0] > self.furthest:
                    found.append(f"{iptables} {chain}: {rules}")
        return found


class Mailcow(Scenario):
    options = Options(Stack(BRIDGE, "172.22.1.0/24", "172.22.1.1", "172.22.1.253"))
    backend: type[OverNfTables] | type[OverIptables] = OverNfTables

    def setUp(self) -> None:
        super().setUp()
        for iptables in ("iptables", "ip6tables"):
            for chain in ("INPUT", "FORWARD"):  # which a host with Docker has
                self.lab.home.run([iptables, "-L", chain])
                self.lab.home.run([iptables, "-P", chain, "ACCEPT" if chain == "INPUT" else "DROP"])
        self.netfilter = self.backend(self.lab.home)
        self.egress(self.lab.vps, "enable", "mailcow-vps")

    def assert_both_content(self) -> None:
        self.assertEqual([], self.netfilter.complaints())
        self.assert_mail_passes()
        for command in ("status", "verify", "enable"):
            self.egress(self.lab.home, command, "mailcow-home")
        self.assertEqual([], self.netfilter.complaints())

    def test_it_comes_after_us(self) -> None:
        self.egress(self.lab.home, "enable", "mailcow-home")
        self.netfilter.start()
        self.assert_both_content()

    def test_it_was_there_before(self) -> None:
        self.netfilter.start()
        with self.nothing_changes(self.lab.home):
            self.egress(self.lab.home, "enable", "mailcow-home")
            self.assert_both_content()
            self.egress(self.lab.home, "disable", "mailcow-home")

    def test_it_is_restarted(self) -> None:
        self.netfilter.start()
        self.egress(self.lab.home, "enable", "mailcow-home")
        with self.no_leak():
            for _ in range(3):
                self.netfilter.stop()
                self.netfilter.start()
                self.assert_both_content()

    def test_its_bans_stay_in_force(self) -> None:
        self.netfilter.start()
        self.netfilter.ban(BANNED)
        self.egress(self.lab.home, "enable", "mailcow-home")
        self.assert_both_content()


class MailcowOverIptables(Mailcow):
    backend = OverIptables


if __name__ == "__main__":
    unittest.main()
