#!/usr/bin/python3
"""firewalld (nftables backend), whose forward chain ends with a reject: at home, beside Docker and on the VPS."""

from __future__ import annotations

import unittest

from firewalld_neighbour import Firewalld
from neighbour import DONE, Completed, Options, topology

from lab import Detail, HomeFirewall


class Cases(Firewalld):
    def test_a_day(self) -> None:
        self.spend_a_day()

    def test_mail_passes_and_other_forwarding_stays_rejected(self) -> None:
        before = self.lab.container.seen_as(topology.MX, 443, bound=1)
        self.enable_both()
        self.assert_kept()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443, bound=1), before)

    def test_it_lists_what_it_listed(self) -> None:
        listings = (["--list-all"], ["--list-all-zones"], ["--get-active-zones"], ["--list-all-policies"])
        before = [self.ask(*words).stdout for words in listings]
        self.enable_both()
        self.assertEqual([self.ask(*words).stdout for words in listings], before)

    def test_a_zone_or_a_rule_changed_takes_nothing(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.tell("--zone=internal", "--add-interface=added0")
            self.tell("--zone=trusted", f"--add-source={topology.DOCKER0}/24")
            self.tell("--add-rich-rule=rule family=ipv4 source address=10.9.9.0/24 reject")
            self.tell("--zone=public", "--add-masquerade")
            self.assert_kept()

    def test_each_way_to_load_it_anew_is_told_and_mended(self) -> None:
        """firewalld then makes its whole table anew."""
        self.enable_both()
        self.tell("--permanent", "--new-zone=garden")
        with self.no_leak(), self.knocking():
            for load in (lambda: self.tell("--reload"), lambda: self.tell("--complete-reload"), self.restart_daemon):
                load()
                self.assert_told_and_mended("admission", "inet firewalld filter_FORWARD")

    def test_one_that_comes_later_is_told_and_mended(self) -> None:
        self.daemon.stop(bound=20)
        self.enable_both()
        self.assert_kept()
        with self.no_leak(), self.knocking():
            self.start_daemon()
            self.assert_told_and_mended("inet firewalld")

    def test_what_it_takes_with_it_when_it_stops(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.daemon.stop(bound=20)
            if self.others_use_iptables:
                self.assert_told_and_mended("admission", "ip filter")
            else:
                self.assert_kept()

    def test_a_policy_of_firewalld_s_own_survives_reloads(self) -> None:
        self.assert_policy_survives("--reload", "--complete-reload")

    def test_a_policy_that_comes_later_takes_the_place_of_ours(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.add_policy()
            self.enable()  # what firewalld's reload took of the iptables tables
            self.assert_kept()


class AtHome(Cases):
    options = Options(home_firewall=HomeFirewall.NONE)
    others_use_iptables = False


class BesideDocker(Cases):
    pass


class OnTheVps(Cases):
    side = "vps"


class OwnedTable(Firewalld):
    """Newer ones own their table: nobody else may write there, and only firewalld itself can let the mail through."""

    suite = "trixie"
    options = Options(home_firewall=HomeFirewall.NONE)

    def configure(self) -> None:
        self.assert_default("NftablesTableOwner=yes")

    def enable_side(self) -> Completed:
        """The neighbour's own side, whatever comes of it."""
        other = self.enable_vps if self.side == "home" else self.enable_home
        other()
        words = ("enable", self.instance)
        return self.egress(self.host, *words, expect=None)

    def test_what_firewalld_must_be_told_is_said(self) -> None:
        with self.no_leak():
            done = self.enable_side()
            self.assertNotEqual(done.returncode, DONE, "no mail passes: that is not done")
            self.assert_said(done, "firewalld", "firewall-cmd --permanent")
        self.assert_not_said(done, "it takes root")

    def test_one_that_comes_later_is_told_and_mended_as_told(self) -> None:
        self.daemon.stop(bound=20)
        self.enable_both()
        self.assert_kept()
        with self.no_leak(), self.knocking():
            self.start_daemon()
            self.assert_told("inet firewalld")
            self.add_policy()
            self.assert_kept()
        self.disable_both()

    def assert_not_said(self, done: Completed, words: str) -> None:
        self.assertNotIn(words, done.stdout + done.stderr)

    def test_verify_fails_until_it_is_told(self) -> None:
        self.enable_side()
        failed = self.egress(self.host, "verify", self.instance, expect=None)
        self.assertNotEqual(failed.returncode, DONE)
        self.assert_said(failed, "firewall-cmd --permanent")
        self.add_policy()
        self.enable()
        self.assert_kept()

    def test_a_refused_enable_leaves_nothing(self) -> None:
        before = self.lab.snapshot(self.host, Detail.HANDLES)
        if self.enable_side().returncode not in (DONE, 1):
            self.assert_same(before, self.lab.snapshot(self.host, Detail.HANDLES))

    def test_a_day(self) -> None:
        """With the policy, which stays over reloads."""
        def day() -> None:
            self.tell("--reload")
            self.tell("--complete-reload")
            self.restart_daemon()

        self.assert_a_day(day, prepare=self.add_policy)


class OwnedTableOnTheVps(OwnedTable):
    side = "vps"


del Cases  # unittest would run it as it is

if __name__ == "__main__":
    unittest.main()
