#!/usr/bin/python3
"""SIGKILL at any system call of enable or disable: disable still leaves nothing, enable still completes, and nothing leaks
on the way where the mail was in the tunnel before.
"""

from __future__ import annotations

import contextlib
import unittest

import old_scripts
from injection import OTHER_NET, Injection
from scenario import ENABLE_HOME, ENABLE_VPS, Host


class Crash(Injection):
    def check_enable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            if number % 2:
                self.egress(host, *enable)  # a second enable completes what the first began
                self.egress(host, "status", name)
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: None, host, enable, recover)

    def check_disable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: self.egress(host, *enable), host, ("disable", name), recover)

    def in_the_tunnel(self) -> None:
        """From now on nothing may go the old way. (With the VPS at the other end, nothing is sent at all.)"""
        self.leaks = self.lab.isp_leak_count()

    def assert_no_leak(self) -> None:
        self.assertEqual(self.lab.isp_leak_count() - self.leaks, 0, "the ISP counted tcp/25")

    def check_change(self, host: Host, name: str, former: tuple[str, ...], enable: tuple[str, ...]) -> None:
        """A profile takes another's place, and is killed on the way: both can be taken back, or the change completed."""
        fresh = self.lab.snapshot(host)
        self.egress(host, *enable)
        wanted = self.lab.snapshot(host)
        self.egress(host, "disable", name)

        def begin() -> None:
            self.egress(host, *former)
            self.in_the_tunnel()

        def recover(number: int) -> None:
            if number % 2:
                self.egress(host, *enable)
                self.assert_same(wanted, self.lab.snapshot(host))
            self.assert_no_leak()
            self.egress(host, "disable", name)
            self.assert_same(fresh, self.lab.snapshot(host))

        with self.knocking() if host is self.lab.home else contextlib.nullcontext():
            self.every_kill(begin, host, enable, recover)

    def check_take_over(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        """Killed half-way from the scripts' set-up to ours: a second take-over completes it."""
        take_over = (*enable, "--take-over")
        old_scripts.enable(self.lab, host)
        self.egress(host, *take_over)
        wanted = self.lab.snapshot(host)
        self.egress(host, "disable", name)

        def begin() -> None:
            old_scripts.enable(self.lab, host)
            self.in_the_tunnel()

        def recover(_: int) -> None:
            self.egress(host, *take_over)
            self.assert_no_leak()
            self.assert_same(wanted, self.lab.snapshot(host))
            self.egress(host, "disable", name)

        with self.knocking() if host is self.lab.home else contextlib.nullcontext():
            self.every_kill(begin, host, take_over, recover)

    def test_enable_at_home(self) -> None:
        self.check_enable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_disable_at_home(self) -> None:
        self.check_disable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_enable_on_the_vps(self) -> None:
        self.check_enable(self.lab.vps, "mailu-vps", ENABLE_VPS)

    def test_disable_on_the_vps(self) -> None:
        self.check_disable(self.lab.vps, "mailu-vps", ENABLE_VPS)

    def test_another_profile_at_home(self) -> None:
        former = (*ENABLE_HOME, "--set", "mark=0x21", "--set", "table=200", "--set", "priority=10100")
        self.check_change(self.lab.home, "mailu-home", former, ENABLE_HOME)

    def test_another_profile_on_the_vps(self) -> None:
        self.check_change(self.lab.vps, "mailu-vps", (*ENABLE_VPS, "--subnet", OTHER_NET), ENABLE_VPS)

    def test_take_over_at_home(self) -> None:
        self.check_take_over(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_take_over_on_the_vps(self) -> None:
        self.check_take_over(self.lab.vps, "mailu-vps", ENABLE_VPS)


if __name__ == "__main__":
    unittest.main()
