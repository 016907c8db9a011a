#!/usr/bin/python3
"""What tests/bench times beside smtp-egress does the job: a mail arrives, twice is once, and what was made goes again."""

from __future__ import annotations

import unittest

from scenario import ROOT, Host, Scenario, topology

BENCH = ROOT / "tests/bench"


class Contenders(Scenario):
    def setUp(self) -> None:
        super().setUp()
        self.enable_vps()
        self.home.path("/run/bench-bridge").write_text(topology.BRIDGE.removeprefix("br-"))

    @property
    def home(self) -> Host:
        return self.lab.home

    def objects(self) -> str:
        """iptables leaves its tables behind, so only what is in them is compared, and the routing."""
        commands = (["iptables", "-S"], ["iptables", "-t", "nat", "-S"], ["iptables", "-t", "raw", "-S"],
                    ["iptables", "-t", "mangle", "-S"], ["ip6tables", "-S"], ["ip", "rule"],
                    ["ip", "route", "show", "table", "all"])
        return "".join(self.home.run(words).stdout for words in commands)

    def contend(self, script: str, *extent: str, again: str | None = "enable") -> None:
        """Leaves it enabled."""
        self.home.run([BENCH / script, "enable", *extent])
        self.assert_mail_passes()
        if again:
            once = self.objects()
            self.home.run([BENCH / script, again, *extent])
            self.assert_same(once, self.objects())

    def assert_nothing_leaks_without_the_tunnel(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home_tunnel.down()
            self.assertFalse(self.try_mail().delivered)

    def undo(self, script: str, *extent: str) -> None:
        self.home.run([BENCH / script, "disable", *extent])

    def test_the_shell_script_delivers_fails_closed_and_goes(self) -> None:
        before = self.objects()
        self.contend("by_shell.sh")
        self.undo("by_shell.sh")
        self.assert_same(before, self.objects())
        self.contend("by_shell.sh")
        self.assert_nothing_leaks_without_the_tunnel()

    def test_the_bare_shell_script_delivers_and_goes(self) -> None:
        before = self.objects()
        self.contend("by_shell.sh", "bare")
        self.undo("by_shell.sh", "bare")
        self.assert_same(before, self.objects())

    def test_the_batch_delivers_fails_closed_and_goes(self) -> None:
        before = self.objects()
        self.contend("by_batch.sh", again=None)
        self.undo("by_batch.sh")
        self.assert_same(before, self.objects())
        self.contend("by_batch.sh", again=None)
        self.assert_nothing_leaks_without_the_tunnel()


if __name__ == "__main__":
    unittest.main()
