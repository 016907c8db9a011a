#!/usr/bin/python3
"""Any system call of enable or disable that writes fails once: the whole is done, or nothing is, and the code says which.

strace makes the program's N-th sendmsg, its N-th write and so on fail, for N = 1, 2, ... until the program makes fewer.
What is tried is every call with one error, and every error with the calls that reach the kernel's network.
"""

from __future__ import annotations

import os
import unittest
from typing import Callable, Iterator

from scenario import DONE, ENABLE_HOME, ENABLE_VPS, KERNEL_REFUSED, PROGRAM, Completed, Host, Scenario
from test_crash import FEWEST_POINTS, MOST_CALLS, WRITING_CALLS

NOT_PERMITTED = 4
UNUSABLE = 2  # of the state directory: nothing was touched
ERRORS = ("ENOBUFS", "ENOMEM", "EPERM", "EBUSY", "EINTR", "ENOSPC")
TO_THE_KERNEL = ("sendmsg", "sendto")


def faults() -> Iterator[tuple[str, str]]:
    for call in WRITING_CALLS:
        for error in ERRORS if call in TO_THE_KERNEL else ("ENOSPC",):
            yield call, error


class Faults(Scenario):
    def failing_at(self, host: Host, call: str, error: str, number: int, *arguments: str) -> tuple[Completed, bool]:
        """Runs the program so that its `number`-th `call` fails; False when it made fewer."""
        done = host.run(
            ["strace", "-qq", "-f", "-o", "/run/lab/strace", "-e", f"trace={call}",
             "-e", f"inject={call}:error={error}:when={number}", PROGRAM, *arguments], check=False,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # LeakSanitizer cannot work under strace
        return done, "(INJECTED)" in host.path("/run/lab/strace").read_text()

    def every_fault(self, host: Host, arguments: tuple[str, ...], before: Callable[[], object],
                    snapshots: tuple[str, str]) -> None:
        """`snapshots`: without the command, and with it done."""
        points = 0
        for call, error in faults():
            for number in range(1, MOST_CALLS):
                before()
                done, failed = self.failing_at(host, call, error, number, *arguments)
                with self.subTest(fails=f"{call} {number} {error}"):
                    self.assertIn(done.returncode, (DONE, UNUSABLE, NOT_PERMITTED, KERNEL_REFUSED),
                                  done.stdout + done.stderr)
                    wanted = snapshots[1] if done.returncode == DONE else snapshots[0]
                    self.assert_same(wanted, self.lab.snapshot(host))
                if not failed:
                    break
                points += 1
        print(f"{arguments[0]} {arguments[1]}: {points} calls failed, one at a time", flush=True)
        self.assertGreaterEqual(points, FEWEST_POINTS, "calls that were made to fail")

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
