#!/usr/bin/python3
"""What is not there yet, or never: the tunnel, Docker, Docker's chain for administrators."""

from __future__ import annotations

import configparser
import unittest

from scenario import ENABLE_HOME, NOT_AS_IT_SHOULD_BE, ROOT, Options, Scenario, topology
from lab import HomeFirewall, firewall


class TunnelComesLater(Scenario):
    options = Options(tunnel=False)

    def enable_too_early(self) -> None:
        done = self.egress(self.lab.home, *ENABLE_HOME, expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, topology.TUNNEL)

    def test_enable_says_what_is_missing_and_fails_closed(self) -> None:
        self.enable_too_early()
        routes = self.lab.home.output(["ip", "route", "show", "table", "100"])
        self.assertIn("unreachable default", routes)
        with self.no_leak(), self.knocking():
            self.assertFalse(self.try_mail().delivered)

    def test_the_guard_stands_without_rule_and_route(self) -> None:
        self.enable_too_early()
        self.lab.home.run(["ip", "route", "flush", "table", "100"])
        self.lab.home.run(["ip", "rule", "del", "pref", "10025"], check=False)
        with self.no_leak(), self.knocking():
            self.assertFalse(self.try_mail().delivered)

    def test_enable_completes_when_the_tunnel_is_there(self) -> None:
        self.enable_too_early()
        with self.no_leak():
            self.lab.raise_tunnel()
            self.egress(self.lab.home, *ENABLE_HOME)
            self.enable_vps()
            self.assert_mail_passes()

    def test_status_and_verify_tell_that_it_is_not_complete(self) -> None:
        self.enable_too_early()
        for command in ("status", "verify"):
            done = self.egress(self.lab.home, command, "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
            self.assert_said(done, topology.TUNNEL)

    def test_disable_leaves_nothing(self) -> None:
        with self.nothing_changes(self.lab.home):
            self.enable_too_early()
            self.egress(self.lab.home, "disable", "mailu-home")

    def test_disable_after_the_tunnel_came_leaves_nothing(self) -> None:
        self.enable_too_early()
        self.lab.raise_tunnel()
        self.egress(self.lab.home, *ENABLE_HOME)
        self.egress(self.lab.home, "disable", "mailu-home")
        after = self.lab.snapshot(self.lab.home)
        self.raise_lab(Options())
        fresh = self.lab.snapshot(self.lab.home)
        self.assert_same(fresh, after)

    def test_the_vps_before_its_tunnel(self) -> None:
        done = self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", topology.VPS, expect=None)
        self.assertIn(done.returncode, (0, NOT_AS_IT_SHOULD_BE))
        self.lab.raise_tunnel()
        self.enable_both()
        self.assert_mail_passes()


class AtBoot(Scenario):
    """The shipped unit, ahead of everything else."""

    options = Options(home_firewall=HomeFirewall.NONE, tunnel=False)

    def test_it_is_closed_from_then_on(self) -> None:
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment]
        unit.read(ROOT / "packaging/systemd/smtp-egress@.service")
        program, *words = unit["Service"]["ExecStart"].replace("%i", "mailu-home").split()
        self.assertEqual((program, unit["Service"]["SuccessExitStatus"]), ("/usr/sbin/smtp-egress", "1"))
        home = self.lab.home
        with self.no_leak():
            self.egress(home, *words, expect=NOT_AS_IT_SHOULD_BE)
            with self.knocking():
                self.assertFalse(self.try_mail().delivered)
                firewall.raise_home(home, Options())  # Docker starts
                self.assertFalse(self.try_mail().delivered)
            self.lab.raise_tunnel()
            self.egress(home, *ENABLE_HOME)  # wg-quick's PostUp
            self.enable_vps()
            self.assert_mail_passes()
        self.egress(home, "verify", "mailu-home")


class TunnelMadeAnew(Scenario):
    def test_enable_mends_what_went_with_the_interface(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.lab.home_tunnel.delete()
            self.lab.home_tunnel.create()
            self.egress(self.lab.home, *ENABLE_HOME)
            self.lab.wait_for_tunnel()
            self.assert_mail_passes()

    def test_disable_after_the_tunnel_is_gone(self) -> None:
        self.enable_home()
        self.lab.home_tunnel.delete()
        self.egress(self.lab.home, "disable", "mailu-home")
        rules = self.lab.home.output(["ip", "rule"]) + self.lab.home.output(["nft", "list", "ruleset"])
        self.assertNotIn("0x00000019", rules)
        self.assertNotIn("10025", rules)


class WithoutDocker(Scenario):
    options = Options(home_firewall=HomeFirewall.NONE)

    def test_mail_passes_and_nothing_is_left(self) -> None:
        with self.nothing_changes(self.lab.home):
            self.enable_both()
            with self.no_leak():
                self.assert_mail_passes(10_000_000)
            self.egress(self.lab.home, "status", "mailu-home")
            self.disable_both()

    def test_no_chain_of_docker_is_made(self) -> None:
        self.enable_home()
        self.assertNotIn("DOCKER", self.lab.home.output(["nft", "list", "ruleset"]))


class WithoutDockerUser(Scenario):
    options = Options(home_firewall=HomeFirewall.DOCKER_WITHOUT_USER_CHAIN)

    def test_mail_passes_and_nothing_is_left(self) -> None:
        with self.nothing_changes(self.lab.home):
            self.enable_both()
            with self.no_leak():
                self.assert_mail_passes()
            self.disable_both()

    def test_the_chain_is_not_made(self) -> None:
        self.enable_home()
        self.assertNotIn("DOCKER-USER", self.lab.home.output(["nft", "list", "ruleset"]))

    def test_docker_appears_later(self) -> None:
        """The chain comes when Docker starts; enable then joins it."""
        self.enable_both()
        home = self.lab.home
        home.run(["iptables", "-N", "DOCKER-USER"])
        home.run(["iptables", "-A", "DOCKER-USER", "-o", topology.TUNNEL, "-j", "DROP"])
        home.run(["iptables", "-I", "FORWARD", "-j", "DOCKER-USER"])
        with self.no_leak():
            self.egress(home, *ENABLE_HOME)
            self.assert_mail_passes()


if __name__ == "__main__":
    unittest.main()
