#!/usr/bin/python3
"""Any system call of enable or disable that writes fails once: the whole is done, or nothing is, and the code says which.

Every call is tried with one error, and every error with the calls that reach the kernel's network.
"""

from __future__ import annotations

import unittest
from typing import Callable

from injection import WRITING_CALLS, Injection
from scenario import DONE, ENABLE_HOME, ENABLE_VPS, KERNEL_REFUSED, Host

NOT_PERMITTED = 4
UNUSABLE = 2  # of the state directory: nothing was touched
TO_THE_KERNEL = ("sendmsg", "sendto")
CALLS = {"ENOSPC": WRITING_CALLS, **dict.fromkeys(("ENOBUFS", "ENOMEM", "EPERM", "EBUSY", "EINTR"), TO_THE_KERNEL)}


class Faults(Injection):
    def every_fault(self, host: Host, arguments: tuple[str, ...], before: Callable[[], object],
                    snapshots: tuple[str, str]) -> None:
        """`snapshots`: without the command, and with it done."""
        for error, calls in CALLS.items():

            def once(call: str, number: int) -> bool:
                before()
                done, failed = self.failing_at(host, call, error, number, *arguments)
                with self.subTest(fails=f"{call} {number} {error}"):
                    self.assertIn(done.returncode, (DONE, UNUSABLE, NOT_PERMITTED, KERNEL_REFUSED),
                                  done.stdout + done.stderr)
                    self.assert_same(snapshots[done.returncode == DONE], self.lab.snapshot(host))
                return failed

            self.every_call(f"{error}: {' '.join(arguments[:2])}", calls, once)

    def check(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)
        self.egress(host, *enable)
        enabled = self.lab.snapshot(host)
        disable = ("disable", name)
        self.every_fault(host, disable, lambda: self.egress(host, *enable), (enabled, fresh))
        self.egress(host, *disable)
        self.every_fault(host, enable, lambda: self.egress(host, *disable), (fresh, enabled))
        self.egress(host, *disable)
        self.assert_same(fresh, self.lab.snapshot(host))

    def test_at_home(self) -> None:
        self.check(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_on_the_vps(self) -> None:
        self.check(self.lab.vps, "mailu-vps", ENABLE_VPS)


if __name__ == "__main__":
    unittest.main()
