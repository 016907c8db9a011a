#!/usr/bin/python3
"""Docker's and the administrator's rules: still readable by their own tools, unchanged, and in force."""

from __future__ import annotations

import unittest

from scenario import ENABLE_HOME, NOT_AS_IT_SHOULD_BE, Detail, Host, Scenario, topology

TABLES = ("raw", "filter", "nat", "mangle")


class Readable(Scenario):
    def rules(self, host: Host) -> dict[str, list[str]]:
        """What iptables lists, per table; it must list without complaint."""
        listed: dict[str, list[str]] = {}
        for table in TABLES:
            done = host.run(["iptables", "-t", table, "-S"])
            self.assertNotIn("incompatible", done.stderr + done.stdout)
            listed[table] = done.stdout.splitlines()
        return listed

    def assert_rules_kept(self, host: Host, before: dict[str, list[str]], *, added: int) -> None:
        """Every rule is still there, in its order, and `added` have joined."""
        after = self.rules(host)
        joined = 0
        for table in TABLES:
            extra = list(after[table])
            position = 0
            for rule in before[table]:
                self.assertIn(rule, extra[position:], f"{table}: {rule} is gone or has moved")
                position = extra.index(rule, position)
                del extra[position]
            joined += len(extra)
        self.assertLessEqual(joined, added, f"more rules than told: {after}")

    def test_iptables_lists_dockers_rules_unchanged(self) -> None:
        before = self.rules(self.lab.home)
        self.enable_home()
        self.assert_rules_kept(self.lab.home, before, added=3)

    def test_iptables_lists_the_vps_rules_unchanged(self) -> None:
        before = self.rules(self.lab.vps)
        self.enable_vps()
        self.assert_rules_kept(self.lab.vps, before, added=2)

    def test_iptables_save_tells_all_that_stands(self) -> None:
        """What is saved can be loaded again: no rule is shown as less than it is."""
        self.enable_both()
        for host in (self.lab.home, self.lab.vps):
            saved = host.run(["iptables-save"])
            self.assertEqual([], [line for line in saved.stderr.splitlines() if "Warning" not in line])
            host.run(["iptables-restore", "--test"], input=saved.stdout)
            for line in saved.stdout.splitlines():
                bare = line.endswith(("PREROUTING -j ACCEPT", "DOCKER-USER -j ACCEPT"))
                self.assertFalse(bare, f"a bare accept: {line}")

    def test_nft_reads_back_what_it_lists_of_ours(self) -> None:
        """A chain called "mark", a word of nft's language, could be listed but not loaded again."""
        self.enable_both()
        for host, name in ((self.lab.home, "mailu-home"), (self.lab.vps, "mailu-vps")):
            listed = host.output(["nft", "list", "table", "inet", f"smtp-egress-{name}"])
            host.run(["nft", "--check", "-f", "-"], input=listed)

    def test_save_and_restore_keep_the_mail_going(self) -> None:
        """iptables-save | iptables-restore turns a rule's comment into a match; it is still recognised as ours."""
        with self.nothing_changes(self.lab.home, detail=Detail.CONTENT):
            self.enable_both()
            self.lab.home.run(["bash", "-c", "iptables-save | iptables-restore"])
            self.assert_mail_passes()
            self.egress(self.lab.home, "status", "mailu-home")
            self.egress(self.lab.home, "disable", "mailu-home")


class Administrator(Scenario):
    def test_mail_passes_an_older_drop_in_docker_user(self) -> None:
        self.lab.home.run(["iptables", "-I", "DOCKER-USER", "-o", topology.TUNNEL, "-j", "DROP"])
        self.lab.home.run(["iptables", "-I", "DOCKER-USER", "-i", topology.TUNNEL, "-j", "DROP"])
        self.enable_both()
        self.assert_mail_passes()

    def drop_ahead_of_docker_user(self) -> None:
        self.lab.home.run(["iptables", "-I", "FORWARD", "-s", topology.CONTAINER_NET, "-o", topology.TUNNEL, "-j", "DROP"])

    def test_mail_passes_an_older_drop_ahead_of_docker_user(self) -> None:
        self.drop_ahead_of_docker_user()
        with self.nothing_changes(self.lab.home):
            self.enable_both()
            self.assert_mail_passes()
            self.disable_both()

    def test_a_drop_that_came_ahead_of_docker_user_is_told_and_mended(self) -> None:
        self.enable_both()
        self.drop_ahead_of_docker_user()
        self.assert_said(self.egress(self.lab.home, "verify", "mailu-home", expect=NOT_AS_IT_SHOULD_BE), "FORWARD",
                         "smtp-egress enable mailu-home")
        self.enable_home()
        self.egress(self.lab.home, "verify", "mailu-home")
        self.assert_mail_passes()

    def test_the_older_drop_still_drops_everything_else(self) -> None:
        self.lab.home.run(["iptables", "-I", "DOCKER-USER", "-p", "tcp", "--dport", "443", "-j", "DROP"])
        self.enable_both()
        self.assertIsNone(self.lab.container.seen_as(topology.MX, 443, bound=1))
        self.assert_mail_passes()

    def test_foreign_tables_on_the_same_hooks_are_left_alone(self) -> None:
        table = """table inet other {
            set blocked { type ipv4_addr; elements = { 192.0.2.66 } }
            chain forward { type filter hook forward priority -5; policy accept; ip daddr @blocked drop; }
            chain postrouting { type nat hook postrouting priority 150; policy accept; oifname "eth0" masquerade; }
        }"""
        self.lab.home.run(["nft", "-f", "-"], input=table)
        with self.nothing_changes(self.lab.home):
            self.enable_both()
            self.assert_mail_passes()
            self.disable_both()


class DockerAtWork(Scenario):
    """What dockerd does to its rules while smtp-egress is enabled."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def test_compose_down_and_up(self) -> None:
        """The raw drop is appended anew, the masquerade goes first: neither stops the mail."""
        home = self.lab.home
        drop = ["!", "-i", topology.BRIDGE, "-d", topology.CONTAINER, "-j", "DROP"]
        masquerade = ["-s", topology.CONTAINER_NET, "!", "-o", topology.BRIDGE, "-j", "MASQUERADE"]
        home.run(["iptables", "-t", "raw", "-D", "PREROUTING", *drop])
        home.run(["iptables", "-t", "raw", "-A", "PREROUTING", *drop])
        home.run(["iptables", "-t", "nat", "-D", "POSTROUTING", *masquerade])
        home.run(["iptables", "-t", "nat", "-I", "POSTROUTING", *masquerade])
        with self.no_leak():
            self.assert_mail_passes()
        with self.nothing_changes(home):
            self.egress(home, *ENABLE_HOME)

    def test_a_firewall_loaded_anew_is_seen_and_mended(self) -> None:
        """An administrator flushes the chain our admission is in and puts a drop there."""
        home = self.lab.home
        home.run(["iptables", "-F", "DOCKER-USER"])
        home.run(["iptables", "-A", "DOCKER-USER", "-o", topology.TUNNEL, "-j", "DROP"])
        with self.no_leak():
            self.assertFalse(self.try_mail().delivered)
            self.egress(home, "status", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
            self.egress(home, *ENABLE_HOME)
            self.assert_mail_passes()


if __name__ == "__main__":
    unittest.main()
