#!/usr/bin/python3
"""SIGKILL at any system call of enable or disable: disable still leaves nothing, enable still completes.

strace kills the program at its N-th sendmsg, its N-th write and so on, for N = 1, 2, ... until the program makes fewer
(strace counts each kind of call by itself). No point is left to chance.
"""

from __future__ import annotations

import os
import unittest
from typing import Callable

from scenario import ENABLE_HOME, ENABLE_VPS, PROGRAM, Host, Scenario

# The calls by which a program changes the kernel's state or a file.
WRITING_CALLS = ("sendmsg", "sendmmsg", "sendto", "write", "writev", "pwrite64", "rename", "renameat", "renameat2",
                 "fsync", "fdatasync", "unlink", "unlinkat", "mkdir", "mkdirat")
MOST_CALLS = 400  # of one kind; far above what the program makes; bounds the loop
FEWEST_POINTS = 10  # fewer would mean that strace does not do what this test is built on
SIGKILLED = (-9, 137)


class Crash(Scenario):
    def killed_at(self, host: Host, call: str, number: int, *arguments: str) -> bool:
        """Runs the program so that its `number`-th `call` is its last; False when it made fewer."""
        done = host.run(
            ["strace", "-qq", "-f", "-o", "/run/lab/strace", "-e", f"trace={call}",
             "-e", f"inject={call}:signal=SIGKILL:when={number}", PROGRAM, *arguments], check=False,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # LeakSanitizer cannot work under strace
        if done.returncode not in SIGKILLED:
            self.assertEqual(done.returncode, 0, f"not killed and not well: {done.stdout}{done.stderr}")
        return done.returncode in SIGKILLED

    def every_point(self, before: Callable[[], object], host: Host, arguments: tuple[str, ...],
                    after: Callable[[int], None]) -> None:
        """Runs `before`, kills the program, runs `after`: once for every writing call the program makes."""
        points = 0
        for call in WRITING_CALLS:
            for number in range(1, MOST_CALLS):
                before()
                killed = self.killed_at(host, call, number, *arguments)
                with self.subTest(killed_at=f"{call} {number}"):
                    after(number)
                if not killed:
                    break
                points += 1
        self.assertGreaterEqual(points, FEWEST_POINTS, "points at which the program was killed")

    def check_enable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            if number % 2:
                self.egress(host, *enable)  # a second enable completes what the first began
                self.egress(host, "status", name)
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_point(lambda: None, host, enable, recover)

    def check_disable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_point(lambda: self.egress(host, *enable), host, ("disable", name), recover)

    def check_change(self, host: Host, name: str, former: tuple[str, ...], enable: tuple[str, ...]) -> None:
        """A profile takes another's place, and is killed on the way: both can be taken back, or the change completed."""
        fresh = self.lab.snapshot(host)
        self.egress(host, *enable)
        wanted = self.lab.snapshot(host)
        self.egress(host, "disable", name)

        def recover(number: int) -> None:
            if number % 2:
                self.egress(host, *enable)
                self.assert_same(wanted, self.lab.snapshot(host))
            self.egress(host, "disable", name)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_point(lambda: self.egress(host, *former), host, enable, recover)

    def test_another_profile_at_home(self) -> None:
        former = (*ENABLE_HOME, "--set", "mark=0x21", "--set", "table=200", "--set", "priority=10100",
                  "--subnet", "192.168.203.0/25")
        self.check_change(self.lab.home, "mailu-home", former, ENABLE_HOME)

    def test_another_profile_on_the_vps(self) -> None:
        self.check_change(self.lab.vps, "mailu-vps", (*ENABLE_VPS, "--subnet", "10.7.0.0/16"), ENABLE_VPS)

    def test_enable_at_home(self) -> None:
        self.check_enable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_disable_at_home(self) -> None:
        self.check_disable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_enable_on_the_vps(self) -> None:
        self.check_enable(self.lab.vps, "mailu-vps", ENABLE_VPS)

    def test_disable_on_the_vps(self) -> None:
        self.check_disable(self.lab.vps, "mailu-vps", ENABLE_VPS)


if __name__ == "__main__":
    unittest.main()
