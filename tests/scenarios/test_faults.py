#!/usr/bin/python3
"""Any system call that writes fails once, in enable, disable, a change of profile and a take-over: the whole is done,
or nothing is, and the exit code says which.

Every call is tried with every error, so no two points are alike: calls x errors are all there are, and their number is
printed. A clean failure leaves the host where it was, so the next point is tried right there.
"""

from __future__ import annotations

import itertools
import unittest
from typing import Callable, NamedTuple

import old_scripts
from injection import FEWEST_POINTS, OTHER_NET, EveryCommand, Injection
from scenario import DONE, KERNEL_REFUSED, NOT_PERMITTED, REFUSED, Completed, Host

ERRORS = ("ENOBUFS", "EPERM", "ENOMEM", "EBUSY", "EINTR", "ENOSPC")
STATE = "/run/smtp-egress"


class State(NamedTuple):
    network: str
    records: dict[str, str]  # what the program has written down, by file
    mail_flows: int


class Faults(EveryCommand, Injection):
    former_at_home = (*EveryCommand.former_at_home, "--subnet", OTHER_NET)

    def look(self, host: Host) -> State:
        # The lock is no record: it stays, and names the process that had it last.
        records = {file.name: file.read_text() for file in host.path(STATE).glob("*") if file.name != "lock"}
        flows = host.output(["conntrack", "-L", "-p", "tcp", "--dport", "25"])
        return State(self.lab.snapshot(host), records, len(flows.splitlines()))

    def assert_whole_or_nothing(self, done: Completed, found: State, before: State, wanted: State) -> None:
        said = done.stdout + done.stderr
        self.assertIn(done.returncode, (DONE, REFUSED, NOT_PERMITTED, KERNEL_REFUSED), said)
        right = wanted if done.returncode == DONE else before
        self.assert_same(right.network, found.network)
        self.assertEqual(right.records.keys(), found.records.keys(), said)
        if done.returncode != DONE or "the state file still says" not in said:
            self.assertEqual(right.records, found.records, said)
        if done.returncode == DONE and "could not be dropped" not in said:
            self.assertEqual(right.mail_flows, found.mail_flows, said)

    def check(self, host: Host, arguments: tuple[str, ...], begin: Callable[[], object],
              end: Callable[[], object]) -> None:
        """`begin` makes the host what the command finds; `end` takes back what the command made."""

        def begin_anew() -> State:
            end()
            begin()
            self.open_mail_flows(host)
            return self.look(host)

        before = begin_anew()
        calls = self.writing_calls(host, *arguments)
        wanted = self.look(host)
        self.assertLess(wanted.mail_flows, before.mail_flows, "there should have been flows to drop")
        self.assertEqual(begin_anew(), before, "the first point's host")
        points = 0
        for call, error in itertools.product(calls, ERRORS):
            done, failed = self.failing_at(host, call.name, error, call.number, *arguments)
            found = self.look(host)
            with self.subTest(fails=f"{call.name} {call.number} {error}"):
                self.assertTrue(failed, "the call was not made")
                self.assert_whole_or_nothing(done, found, before, wanted)
            points += failed
            if found != before:
                self.assertEqual(begin_anew(), before, "the next point's host")
        print(f"{' '.join(arguments)}: {len(calls)} calls x {len(ERRORS)} errors, {points} points", flush=True)
        self.assertGreaterEqual(points, FEWEST_POINTS * len(ERRORS), "points that were tried")

    def check_enable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        self.check(host, enable, lambda: None, lambda: self.egress(host, "disable", name))

    def check_disable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        self.check(host, ("disable", name), lambda: self.egress(host, *enable), lambda: None)

    def check_change(self, host: Host, name: str, former: tuple[str, ...], enable: tuple[str, ...]) -> None:
        self.check(host, enable, lambda: self.egress(host, *former), lambda: self.egress(host, "disable", name))

    def check_take_over(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        self.check(host, (*enable, "--take-over"), lambda: old_scripts.enable(self.lab, host),
                   lambda: self.egress(host, "disable", name))


if __name__ == "__main__":
    unittest.main()
