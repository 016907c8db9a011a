#!/usr/bin/python3
"""SIGKILL at any system call of enable or disable: disable still leaves nothing, enable still completes.

Nothing leaks on the way, neither where the mail was in the tunnel before, nor, where it was not, from the moment that the
guard stands. Whatever a command makes, it makes by one of the calls it is killed at: the container knocks at each state
that it goes through.
"""

from __future__ import annotations

import contextlib
import unittest
from typing import Iterator

import old_scripts
from injection import EveryCommand, Injection
from scenario import Host


class Crash(EveryCommand, Injection):
    def setUp(self) -> None:
        super().setUp()
        self.guards: list[bool] = []  # whether it stood, at each point

    def check_enable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            with self.no_leak_past_a_guard(host, name):
                if number % 2:
                    self.egress(host, *enable)  # a second enable completes what the first began
                    self.egress(host, "status", name)
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: None, host, enable, recover)
        self.assert_guarded_at_some_but_not_all()

    def check_disable(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(_: int) -> None:
            with self.no_leak_past_a_guard(host, name):
                pass
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: self.egress(host, *enable), host, ("disable", name), recover)
        self.assert_guarded_at_some_but_not_all()

    @contextlib.contextmanager
    def no_leak_past_a_guard(self, host: Host, name: str) -> Iterator[None]:
        """While the container knocks, before the block and after it. Without a guard the host is not enabled (yet, or any
        more), and the mail's way is nobody's promise. On the VPS there is none.
        """
        tables = host.output(["nft", "list", "tables"]).splitlines()
        self.guards.append(f"table inet smtp-egress-{name}" in tables)
        if host is not self.lab.home or not self.guards[-1]:
            yield
            return
        self.in_the_tunnel()
        self.knock()
        yield
        self.knock()
        self.assert_no_leak()

    def assert_guarded_at_some_but_not_all(self) -> None:
        print(f"the table stood at {sum(self.guards)} of {len(self.guards)}", flush=True)
        self.assertEqual(set(self.guards), {True, False})

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


if __name__ == "__main__":
    unittest.main()
