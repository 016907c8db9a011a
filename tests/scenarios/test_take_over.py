#!/usr/bin/python3
"""Hosts on which the two shell scripts that smtp-egress replaces are enabled."""

from __future__ import annotations

import unittest

import old_scripts
from scenario import DONE, ENABLE_HOME, ENABLE_VPS, REFUSED, Detail, Host, Scenario


class TakeOver(Scenario):
    def assert_gone(self, host: Host, rules: tuple[tuple[str, str, str, str], ...]) -> None:
        for table, chain, _, rule in rules:
            found = host.run(["iptables", "-t", table, "-C", chain, *rule.split()], check=False)
            self.assertNotEqual(found.returncode, 0, f"still there: {table} {chain} {rule}")

    def setUp(self) -> None:
        super().setUp()
        for host in (self.lab.home, self.lab.vps):
            old_scripts.enable(self.lab, host)

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
        self.assert_gone(self.lab.home, old_scripts.HOME_RULES)
        self.assert_gone(self.lab.vps, old_scripts.VPS_RULES)
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
        self.assert_gone(self.lab.home, old_scripts.HOME_RULES)
        self.assert_gone(self.lab.vps, old_scripts.VPS_RULES)
        self.assertNotIn("fwmark", self.lab.home.output(["ip", "rule"]))
        self.assertFalse(self.try_mail().delivered)

    def test_half_of_the_old_home_objects_is_recognised_too(self) -> None:
        """The old script may have been stopped half-way, or its route may have gone with the tunnel."""
        self.lab.home.run(["ip", "route", "flush", "table", "100"])
        self.lab.home.run(["iptables", "-t", "raw", "-D", "PREROUTING", "1"])
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            self.egress(self.lab.home, *ENABLE_HOME, expect=REFUSED)
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        self.assert_gone(self.lab.home, old_scripts.HOME_RULES)

    def test_take_over_where_nothing_is_to_be_taken_over(self) -> None:
        self.raise_lab(self.options)
        self.egress(self.lab.vps, *ENABLE_VPS, "--take-over")
        self.egress(self.lab.home, *ENABLE_HOME, "--take-over")
        self.assert_mail_passes()


if __name__ == "__main__":
    unittest.main()
