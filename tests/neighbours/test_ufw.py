#!/usr/bin/python3
"""Debian's ufw, with forwarding denied by default: at home without and beside Docker, and on the VPS."""

from __future__ import annotations

import unittest

from neighbour import Completed, Neighbour, Options, topology
from lab import HomeFirewall
from lab.chroot import Chroot


class Ufw(Neighbour):
    chroot: Chroot

    def begin(self) -> None:
        self.chroot = Chroot(self.host, "bookworm")
        self.assertIn("\nIPV6=yes\n", self.chroot.path("/etc/default/ufw").read_text(), "Debian's own setting")

    def ufw(self, *words: str) -> Completed:
        """ufw tells some of its errors, and all its warnings, with exit code 0."""
        done = self.chroot.run(["ufw", *words])
        self.assertNotRegex(done.stdout + done.stderr, "ERROR|WARN")
        return done

    def switch_on(self) -> None:
        self.ufw("allow", f"{topology.TUNNEL_PORT}/udp")
        self.ufw("--force", "enable")
        self.ufw("default", "deny", "routed")

    def check_itself(self) -> None:
        self.ufw("status", "verbose")
        self.ufw("show", "raw")

    def work(self) -> None:
        """What an administrator does with it on a usual day."""
        self.ufw("reload")
        self.ufw("allow", "80")
        self.ufw("disable")
        self.ufw("--force", "enable")

    def manage_builtins(self) -> None:
        """ufw then flushes INPUT, OUTPUT and FORWARD at each start: it takes the host for its own."""
        settings = self.chroot.path("/etc/default/ufw")
        text = settings.read_text()
        self.assertIn("MANAGE_BUILTINS=no", text)
        settings.write_text(text.replace("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes"))


class Cases(Ufw):
    """Wherever ufw is."""

    def test_a_day(self) -> None:
        self.assert_a_day(self.work, prepare=self.switch_on)

    def test_mail_passes_while_ufw_is_at_work(self) -> None:
        self.switch_on()
        self.enable_both()
        self.assert_kept()
        with self.no_leak(), self.knocking():
            for words in (["reload"], ["allow", "80"], ["disable"], ["--force", "enable"]):
                with self.subTest(" ".join(words)):
                    self.ufw(*words)
                    self.assert_kept()

    def test_ufw_tells_its_rules_as_before(self) -> None:
        self.switch_on()
        said = self.ufw("status", "verbose").stdout
        raw = self.ufw("show", "listening").stdout
        self.assertIn("deny (routed)", said)
        self.enable_both()
        self.assertEqual(self.ufw("status", "verbose").stdout, said)
        self.assertEqual(self.ufw("show", "listening").stdout, raw)
        self.ufw("show", "raw")

    def test_other_forwarding_stays_denied(self) -> None:
        self.switch_on()
        before = self.lab.container.seen_as(topology.MX, 443, bound=1)
        self.enable_both()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443, bound=1), before)

    def test_builtin_chains_that_ufw_flushes_are_told_and_mended(self) -> None:
        self.manage_builtins()
        self.switch_on()
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.ufw("reload")
            self.assert_told_and_mended("admission")


class AtHome(Cases):
    options = Options(home_firewall=HomeFirewall.NONE)

    def test_ufw_that_comes_later_is_told_and_mended(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.switch_on()
            self.assert_told_and_mended("FORWARD")


class BesideDocker(Cases):
    def test_ufw_that_comes_later_takes_nothing(self) -> None:
        """Our admission stands in DOCKER-USER, which FORWARD calls before it calls ufw's chains."""
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.switch_on()
            self.assert_kept()


class OnTheVps(Cases):
    side = "vps"
    options = Options(vps_ip_forward=1)  # ufw tells nothing of forwarding where the host does none

    def test_ufw_that_comes_later_takes_nothing(self) -> None:
        """The VPS dropped before: our admission is there already, ahead of where ufw appends its own."""
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.switch_on()
            self.assert_kept()


del Ufw, Cases  # unittest would run them as they are

if __name__ == "__main__":
    unittest.main()
