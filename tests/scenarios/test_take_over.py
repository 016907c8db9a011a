#!/usr/bin/python3
"""Hosts on which the two shell scripts that smtp-egress replaces are enabled."""

from __future__ import annotations

import unittest

from scenario import DONE, ENABLE_HOME, ENABLE_VPS, REFUSED, Detail, Host, Scenario, topology

NET, TUNNEL, WAN = topology.CONTAINER_NET, topology.TUNNEL, topology.UPLINK

# What such a host carries: our own list of the effects, as (table, chain, place, rule).
HOME_RULES = (
    ("filter", "DOCKER-USER", "-I", f"-s {NET} -o {TUNNEL} -p tcp --dport 25 -j ACCEPT"),
    ("filter", "DOCKER-USER", "-I", f"-d {NET} -i {TUNNEL} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
    ("raw", "PREROUTING", "-I", f"-d {NET} -i {TUNNEL} -p tcp --sport 25 -j ACCEPT"),
    ("mangle", "PREROUTING", "-A", f"-s {NET} -p tcp --dport 25 -j MARK --set-mark 0x19"),
    ("nat", "POSTROUTING", "-I", f"-s {NET} -o {TUNNEL} -p tcp --dport 25 -j ACCEPT"),
)
VPS_RULES = (
    ("filter", "FORWARD", "-A", f"-s {NET} -i {TUNNEL} -o {WAN} -p tcp --dport 25 -j ACCEPT"),
    ("filter", "FORWARD", "-A", f"-i {WAN} -o {TUNNEL} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
    ("mangle", "FORWARD", "-A", f"-i {TUNNEL} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    ("mangle", "FORWARD", "-A", f"-o {TUNNEL} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    ("nat", "POSTROUTING", "-I", f"-s {NET} -o {WAN} -p tcp --dport 25 -j SNAT --to-source {topology.VPS}"),
)
HOME_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv4/conf/all/rp_filter": 2,
    "net/ipv4/conf/default/rp_filter": 2,
    f"net/ipv4/conf/{TUNNEL}/rp_filter": 2,
    f"net/ipv4/conf/{topology.BRIDGE}/rp_filter": 2,
}


class TakeOver(Scenario):
    def add(self, host: Host, rules: tuple[tuple[str, str, str, str], ...]) -> None:
        for table, chain, place, rule in rules:
            host.run(["iptables", "-t", table, place, chain, *rule.split()])

    def old_home(self) -> None:
        self.lab.home.set_sysctls(HOME_SYSCTLS)
        self.add(self.lab.home, HOME_RULES)
        self.lab.home.ip_batch(f"""
            rule add fwmark 0x19 lookup 100 pref 10025
            route add default dev {TUNNEL} table 100
        """)

    def old_vps(self) -> None:
        self.lab.vps.set_sysctls({"net/ipv4/ip_forward": 1})
        self.add(self.lab.vps, VPS_RULES)

    def assert_gone(self, host: Host, rules: tuple[tuple[str, str, str, str], ...]) -> None:
        for table, chain, _, rule in rules:
            found = host.run(["iptables", "-t", table, "-C", chain, *rule.split()], check=False)
            self.assertNotEqual(found.returncode, 0, f"still there: {table} {chain} {rule}")

    def setUp(self) -> None:
        super().setUp()
        self.old_home()
        self.old_vps()

    def test_the_old_way_works(self) -> None:
        """Else the rest would prove nothing."""
        self.assert_mail_passes()

    def test_enable_at_home_refuses_and_touches_nothing(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            done = self.egress(self.lab.home, *ENABLE_HOME, expect=REFUSED)
        self.assert_said(done, "--take-over")

    def test_enable_on_the_vps_refuses_and_touches_nothing(self) -> None:
        with self.nothing_changes(self.lab.vps, detail=Detail.HANDLES):
            done = self.egress(self.lab.vps, *ENABLE_VPS, expect=REFUSED)
        self.assert_said(done, "--take-over")

    def test_take_over_replaces_without_a_leak(self) -> None:
        with self.no_leak(), self.knocking():
            self.egress(self.lab.vps, *ENABLE_VPS, "--take-over")
            self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
            self.assert_mail_passes(10_000_000)
        self.assert_gone(self.lab.home, HOME_RULES)
        self.assert_gone(self.lab.vps, VPS_RULES)
        rules = self.lab.home.output(["ip", "rule"])
        self.assertEqual(rules.count("fwmark 0x19"), 1, rules)

    def test_after_take_over_enable_finds_nothing_to_do(self) -> None:
        self.egress(self.lab.vps, *ENABLE_VPS, "--take-over")
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.HANDLES):
            self.enable_both()
        for host, name in ((self.lab.home, "mailu-home"), (self.lab.vps, "mailu-vps")):
            self.egress(host, "status", name, expect=DONE)

    def test_after_disable_neither_is_left(self) -> None:
        self.egress(self.lab.vps, *ENABLE_VPS, "--take-over")
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        self.disable_both()
        self.assert_gone(self.lab.home, HOME_RULES)
        self.assert_gone(self.lab.vps, VPS_RULES)
        self.assertNotIn("fwmark", self.lab.home.output(["ip", "rule"]))
        self.assertFalse(self.try_mail().delivered)

    def test_half_of_the_old_home_objects_is_recognised_too(self) -> None:
        """The old script may have been stopped half-way, or its route may have gone with the tunnel."""
        self.lab.home.run(["ip", "route", "flush", "table", "100"])
        self.lab.home.run(["iptables", "-t", "raw", "-D", "PREROUTING", "1"])
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            self.egress(self.lab.home, *ENABLE_HOME, expect=REFUSED)
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        self.assert_gone(self.lab.home, HOME_RULES)

    def test_take_over_where_nothing_is_to_be_taken_over(self) -> None:
        self.raise_lab(self.options)
        self.egress(self.lab.vps, *ENABLE_VPS, "--take-over")
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        self.assert_mail_passes()


if __name__ == "__main__":
    unittest.main()
