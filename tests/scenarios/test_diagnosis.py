#!/usr/bin/python3
"""Every breakage is found by verify, named by the check that fails first, and gone when one does what that check says;
two at once are both found. The hop that the picture shows as the first that is broken is that check's.

Prints a table of them: what was broken, whether mail stopped, which check named it, in how many steps it was mended.
"""

from __future__ import annotations

import re
import unittest
from typing import Any

from scenario import ENABLE_HOME, ENABLE_VPS, PROGRAM, Host, MailResult, Options, Scenario, topology as at

from breakages import HOME, HOME6, LEAKS6, PAIRS, VPS, VPS6, Breakage, Deed
from picture import first_broken

STEPS = 3  # of following the first failed check: a tunnel that was down wants `enable` afterwards
_COMMAND = re.compile(r"`([^`…]+)`")


class Diagnosing(Scenario):
    def setUp(self) -> None:
        """A lab for each breakage, in its own turn."""

    def host_of(self, side: str) -> Host:
        return self.lab.home if side == "home" else self.lab.vps

    def first_failed(self, side: str, nearer: str | None = "") -> dict[str, Any] | None:
        """`nearer`: the hop to be drawn as the first that is broken, if it is not that check's; None: any."""
        document = self.json_of(self.host_of(side), "verify", f"mailu-{side}", expect=None)
        failed = [check for check in document["checks"] if check["outcome"] == "failed"]
        self.assertEqual(document["exit"], 1 if failed else 0)
        self.assert_drawn(document, failed[0] if failed else None, nearer)
        return failed[0] if failed else None

    def assert_drawn(self, document: dict[str, Any], check: dict[str, Any] | None, nearer: str | None) -> None:
        hop = first_broken(document["path"])
        if hop is None or check is None:
            self.assertIs(hop, check, "a check failed and no hop is broken, or the other way round")
            return
        self.assertIn(check["detail"], [hop["seen"] for hop in document["path"] if hop["outcome"] == "broken"])
        if nearer is None:
            return
        if nearer:
            self.assertEqual(hop["id"], nearer)
            return
        # Of several objects that are gone at once the first is broken on the packets' way, not the first that is listed.
        self.assertIn(check["id"], hop["checks"], hop)
        if check["id"] != "objects":
            self.assertEqual(hop["seen"], check["detail"], "another check of that hop failed first")

    def do(self, side: str, deed: Deed) -> None:
        if callable(deed):
            deed(self.lab)
        else:
            self.host_of(side).run(["sh", "-c", deed.replace("smtp-egress ", f"{PROGRAM} ")], check=False)

    def follow(self, side: str, check: dict[str, Any], by_hand: Deed) -> None:
        """What the check says is to be done: in words that a person follows, or a command."""
        command = _COMMAND.search(check["mend"])
        if not by_hand and command is None:
            self.fail(f"no command in the mend: {check['mend']}")
        self.do(side, by_hand or command[1])

    def lab_with(self, *broken: Breakage) -> bool:
        """A lab of its own, well at first; whether the mail has stopped."""
        self.raise_lab(self.options)
        self.enable_both()
        self.assertIsNone(self.first_failed("home"))
        self.assertIsNone(self.first_failed("vps"))
        for one in broken:
            self.do(one.side, one.done)
        return not self.try_mail().delivered

    def mend(self, side: str, *broken: Breakage) -> list[str]:
        """Follows the first failed check until none is left. The ids of those that were followed."""
        by_hand = {one.check: one.mended for one in broken}
        followed: list[str] = []
        # Of two breakages the one that is checked first need not be the first on the packets' way.
        nearer = broken[0].hop if len(broken) == 1 else None
        while (check := self.first_failed(side, nearer)) is not None:
            if len(followed) == STEPS * len(broken):
                self.fail(f"still wrong after what verify said was done: {followed}, then {check}")
            self.follow(side, check, by_hand.pop(check["id"], ""))  # what comes to light behind it: by commands
            followed.append(check["id"])
            nearer = "" if len(broken) == 1 else None
        return followed

    def diagnose(self, broken: Breakage) -> str:
        stopped = self.lab_with(broken)
        self.assertEqual(stopped, broken.stops_mail, "did the mail stop?")
        check = self.first_failed(broken.side, broken.hop)
        assert check is not None, "verify found nothing"
        named = f"{check['detail']} | {check['mend']}"
        self.assertEqual(check["id"], broken.check, named)
        for word in broken.says:
            self.assertIn(word, named)
        steps = len(self.mend(broken.side, broken))
        self.assert_mail_passes()
        self.lab.close()
        return f"{broken.side:5} {broken.name:42} {'stopped' if stopped else 'flowed':8} {broken.check:18} {steps}"

    def diagnose_pair(self, pair: tuple[Breakage, Breakage]) -> str:
        """Both are found, one behind the other where they are on one side."""
        stopped = self.lab_with(*pair)
        self.assertEqual(stopped, any(one.stops_mail for one in pair), "did the mail stop?")
        followed: list[str] = []
        for side in dict.fromkeys(one.side for one in pair):
            here = [one for one in pair if one.side == side]
            steps = self.mend(side, *here)
            self.assertTrue(steps, f"verify found nothing on {side}")
            self.assertIn(steps[0], [one.check for one in here])
            self.assertLessEqual({one.check for one in here}, set(steps), "both are named")
            followed += [f"{side}: {', '.join(steps)}"]
        self.assert_mail_passes()
        self.lab.close()
        names = " + ".join(f"{one.side}: {one.name}" for one in pair)
        return f"{names:95} {'stopped' if stopped else 'flowed':8} {'; '.join(followed)}"

    def diagnose_all(self, table: list[Breakage]) -> None:
        print(f"\n{'side':5} {'broken':42} {'mail':8} {'named by':18} mended in steps")
        for broken in table:
            with self.subTest(broken.name):
                print(self.diagnose(broken), flush=True)


class Diagnosis(Diagnosing):
    def test_at_home(self) -> None:
        self.diagnose_all(HOME)

    def test_on_the_vps(self) -> None:
        self.diagnose_all(VPS)

    def test_in_pairs(self) -> None:
        print(f"\n{'broken':95} {'mail':8} named and mended, in this order")
        for pair in PAIRS:
            with self.subTest(" + ".join(one.name for one in pair)):
                print(self.diagnose_pair(pair), flush=True)


class OverIpv6(Diagnosing):
    """Sources of both families: what is broken stops mail over IPv6, or nothing."""

    options = Options(ipv6=True)

    def enable_both(self) -> None:
        both = ("--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
        self.egress(self.lab.vps, *ENABLE_VPS, *both)
        self.egress(self.lab.home, *ENABLE_HOME, *both)

    def try_mail(self) -> MailResult:
        return self.lab.container.send_mail(server=at.MX6, bound=2)

    def assert_mail_passes(self, size: int = 2_000) -> None:
        super().assert_mail_passes(size)
        self.assertEqual(self.lab.container.send_mail(size, server=at.MX6).seen_from, at.VPS6)

    def test_at_home(self) -> None:
        self.diagnose_all(HOME6)

    def test_on_the_vps(self) -> None:
        self.diagnose_all(VPS6)


class BesideIpv6(Diagnosing):
    """IPv4 sources alone, on a network that has IPv6 too."""

    options = Options(ipv6=True)

    def test_what_would_let_ipv6_out(self) -> None:
        self.diagnose_all(LEAKS6)


if __name__ == "__main__":
    unittest.main()
