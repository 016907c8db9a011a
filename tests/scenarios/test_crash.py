#!/usr/bin/python3
"""SIGKILL at any system call of enable or disable: disable still leaves nothing, enable still completes.

strace kills the program at its N-th call of those that write, to the kernel or to a file, for N = 1, 2, ... until the
program comes to its end. No point is left to chance.
"""

from __future__ import annotations

import unittest

from scenario import ENABLE_HOME, ENABLE_VPS, PROGRAM, Host, Scenario

WRITING_CALLS = ("sendmsg,sendmmsg,sendto,write,writev,pwrite64,rename,renameat,renameat2,"
                 "fsync,fdatasync,unlink,unlinkat,mkdir,mkdirat")
MOST_CALLS = 400  # far above what the program makes; bounds the loop
SIGKILLED = (-9, 137)


class Crash(Scenario):
    def killed_at(self, host: Host, number: int, *arguments: str) -> bool:
        """Runs the program so that its `number`-th writing call is its last; False when it made fewer."""
        done = host.run(
            ["strace", "-qq", "-f", "-o", "/run/lab/strace", "-e", f"trace={WRITING_CALLS}",
             "-e", f"inject={WRITING_CALLS}:signal=SIGKILL:when={number}", PROGRAM, *arguments], check=False)
        if done.returncode not in SIGKILLED:
            self.assertEqual(done.returncode, 0, f"not killed and not well: {done.stdout}{done.stderr}")
        return done.returncode in SIGKILLED

    def check_enable(self, host: Host, name: str, *enable: str) -> None:
        before = self.lab.snapshot(host)
        for number in range(1, MOST_CALLS):
            killed = self.killed_at(host, number, *enable)
            with self.subTest(killed_at=number):
                if number % 2:
                    self.egress(host, *enable)  # a second enable completes what the first began
                    self.egress(host, "status", name)
                self.egress(host, "disable", name, expect=None)
                self.assert_same(before, self.lab.snapshot(host))
            if not killed:
                return
        self.fail("enable never came to its end")

    def check_disable(self, host: Host, name: str, *enable: str) -> None:
        before = self.lab.snapshot(host)
        for number in range(1, MOST_CALLS):
            self.egress(host, *enable)
            killed = self.killed_at(host, number, "disable", name)
            with self.subTest(killed_at=number):
                self.egress(host, "disable", name, expect=None)
                self.assert_same(before, self.lab.snapshot(host))
            if not killed:
                return
        self.fail("disable never came to its end")

    def test_enable_at_home(self) -> None:
        self.check_enable(self.lab.home, "mailu-home", *ENABLE_HOME)

    def test_disable_at_home(self) -> None:
        self.check_disable(self.lab.home, "mailu-home", *ENABLE_HOME)

    def test_enable_on_the_vps(self) -> None:
        self.check_enable(self.lab.vps, "mailu-vps", *ENABLE_VPS)

    def test_disable_on_the_vps(self) -> None:
        self.check_disable(self.lab.vps, "mailu-vps", *ENABLE_VPS)


if __name__ == "__main__":
    unittest.main()
