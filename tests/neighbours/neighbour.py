"""What the tests beside real neighbours share. A neighbour is another program that has rules or routes on the host; its
own Debian packages run in a chroot inside the lab's host (lab/chroot.py).

Each test follows a person's day: the neighbour is there, smtp-egress is enabled, the neighbour works on. One such day in
short is each file's `test_a_day`, which ctest runs; the whole is for tests/neighbours/run.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Callable, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenarios"))

from scenario import (  # noqa: E402
    DONE, ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, Completed, Host, Options, Process, Scenario, topology,
)

__all__ = ["Completed", "DONE", "Host", "NOT_AS_IT_SHOULD_BE", "Neighbour", "Options", "Process", "rules_of", "topology",
           "without_counters"]

_SAVE = "for family in iptables ip6tables; do echo \"== $family\"; $family-save; done; nft -s list ruleset"
_NOT_RULES = re.compile(r"^#.*\n| \[\d+:\d+\]$", re.MULTILINE)  # iptables-save's remarks have the time in them


def without_counters(saved: str) -> str:
    """What iptables-save told, without what changes by itself."""
    return _NOT_RULES.sub("", saved)


def rules_of(host: Host) -> str:
    """All firewall rules, as iptables and as nft tell them, without counters."""
    return without_counters(host.output(["bash", "-c", _SAVE]))


def _nothing() -> None:
    pass


class Neighbour(Scenario):
    """`side` names the host that the neighbour is on: home or vps."""

    side = "home"
    home_settings: tuple[str, ...] = ()  # further words of enable
    vps_settings: tuple[str, ...] = ()
    step = ""  # of a day: where it is, and stays where it fails

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self) -> None:
        """The neighbour comes to a new lab. Called again for each further lab of a test."""

    @property
    def host(self) -> Host:
        return self.lab.home if self.side == "home" else self.lab.vps

    @property
    def instance(self) -> str:
        return f"mailu-{self.side}"

    def enable_home(self, *further: str) -> Completed:
        return self.egress(self.lab.home, *ENABLE_HOME, *self.home_settings, *further)

    def enable_vps(self, *further: str) -> Completed:
        return self.egress(self.lab.vps, *ENABLE_VPS, *self.vps_settings, *further)

    def enable(self, *further: str) -> Completed:
        """The neighbour's own side."""
        return self.enable_home(*further) if self.side == "home" else self.enable_vps(*further)

    def failed_checks(self) -> dict[str, str]:
        """What verify finds wrong on the neighbour's host: detail and mend, by the check's id."""
        document = self.json_of(self.host, "verify", self.instance, expect=None)
        return {check["id"]: f"{check['detail']} | {check['mend']}" for check in document["checks"]
                if check["outcome"] == "failed"}

    def assert_kept(self) -> None:
        """Nothing was lost: mail passes, and status and verify have nothing to tell."""
        self.assert_mail_passes()
        self.assertEqual(self.failed_checks(), {}, "mail passes, and verify says otherwise")
        self.egress(self.host, "status", self.instance)

    def assert_told(self, *words: str) -> None:
        """No mail passes, status or verify fails, and what they say has these words in it."""
        self.assertFalse(self.try_mail().delivered, "the mail should be held back here; else this proves nothing")
        told = [self.egress(self.host, command, self.instance, expect=None) for command in ("status", "verify")]
        self.assertIn(NOT_AS_IT_SHOULD_BE, [done.returncode for done in told],
                      f"no mail passes, and neither status nor verify says so:\n{told[0].stdout}\n{told[1].stdout}")
        said = "\n".join(done.stdout for done in told if done.returncode != DONE)
        for word in words:
            self.assertIn(word, said)

    def assert_told_and_mended(self, *words: str) -> None:
        self.assert_told(*words)
        self.enable()
        self.assert_kept()

    def all_of(self, host: Host) -> str:
        """Firewall, policy rules, routes and sysctls."""
        return rules_of(host) + self.lab.snapshot(host)

    def assert_left_as_without_us(self, work: Callable[[], object], *, prepare: Callable[[], object] = _nothing) -> None:
        """The same steps in two labs, one of them without smtp-egress: the neighbour's host ends the same."""
        prepare()
        self.enable_both()
        work()
        self.disable_both()
        self._compare_without_us(work, prepare)

    def _compare_without_us(self, work: Callable[[], object], prepare: Callable[[], object]) -> None:
        with_us = self.all_of(self.host)
        self.lab.close()
        self.raise_lab(self.options)
        self.begin()
        prepare()
        work()
        self.assert_same(self.all_of(self.host), with_us)

    def assert_a_day(self, work: Callable[[], object], *, prepare: Callable[[], object] = _nothing,
                     taken: Sequence[str] = ()) -> None:
        """Enabled beside the neighbour, which then works on. Mail goes on; or where the neighbour takes something away,
        that is told in the words `taken`, and mended. In the end the neighbour is left as without us.
        """
        self.step = "enable"
        prepare()
        self.enable_both()
        self.step = "mail"
        self.assert_mail_passes()
        self.step = "verify"
        self.assert_kept()
        self.step = "at work"
        with self.no_leak(), self.knocking():
            work()
            if taken:
                self.assert_told_and_mended(*taken)
            else:
                self.assert_kept()
        self.step = "disable"
        self.disable_both()
        self._compare_without_us(work, prepare)
        self.step = ""
