#!/usr/bin/python3
"""Every breakage is found by verify, named by the check that fails first, and gone when one does what that check says.
The hop that the picture shows as the first that is broken is that check's.

Prints a table of them: what was broken, whether mail stopped, which check named it, in how many steps it was mended.
"""

from __future__ import annotations

import re
import unittest
from typing import Any

from scenario import PROGRAM, Host, Scenario

from breakages import HOME, VPS, Breakage, Deed
from picture import first_broken

STEPS = 3  # of following the first failed check: a tunnel that was down wants `enable` afterwards
_COMMAND = re.compile(r"`([^`…]+)`")


class Diagnosis(Scenario):
    def setUp(self) -> None:
        """A lab for each breakage, in its own turn."""

    def host_of(self, side: str) -> Host:
        return self.lab.home if side == "home" else self.lab.vps

    def first_failed(self, side: str, nearer: str = "") -> dict[str, Any] | None:
        document = self.json_of(self.host_of(side), "verify", f"mailu-{side}", expect=None)
        failed = [check for check in document["checks"] if check["outcome"] == "failed"]
        self.assertEqual(document["exit"], 1 if failed else 0)
        self.assert_drawn(document, failed[0] if failed else None, nearer)
        return failed[0] if failed else None

    def assert_drawn(self, document: dict[str, Any], check: dict[str, Any] | None, nearer: str) -> None:
        hop = first_broken(document["path"])
        if hop is None or check is None:
            self.assertIs(hop, check, "a check failed and no hop is broken, or the other way round")
            return
        self.assertIn(check["detail"], [hop["seen"] for hop in document["path"] if hop["outcome"] == "broken"])
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

    def diagnose(self, broken: Breakage) -> str:
        self.raise_lab(self.options)
        self.enable_both()
        self.assertIsNone(self.first_failed("home"))
        self.assertIsNone(self.first_failed("vps"))
        self.do(broken.side, broken.done)
        stopped = not self.try_mail().delivered
        self.assertEqual(stopped, broken.stops_mail, "did the mail stop?")
        check = self.first_failed(broken.side, broken.hop)
        assert check is not None, "verify found nothing"
        named = f"{check['detail']} | {check['mend']}"
        self.assertEqual(check["id"], broken.check, named)
        for word in broken.says:
            self.assertIn(word, named)
        steps = 0
        by_hand = broken.mended
        while check is not None and steps < STEPS:
            self.follow(broken.side, check, by_hand)
            by_hand = ""  # what comes to light behind it is mended by commands
            steps += 1
            check = self.first_failed(broken.side)
        self.assertIsNone(check, "still wrong after what verify said was done")
        self.assert_mail_passes()
        self.lab.close()
        return f"{broken.side:5} {broken.name:42} {'stopped' if stopped else 'flowed':8} {broken.check:18} {steps}"

    def diagnose_all(self, table: list[Breakage]) -> None:
        print(f"\n{'side':5} {'broken':42} {'mail':8} {'named by':18} mended in steps")
        for broken in table:
            with self.subTest(broken.name):
                print(self.diagnose(broken), flush=True)

    def test_at_home(self) -> None:
        self.diagnose_all(HOME)

    def test_on_the_vps(self) -> None:
        self.diagnose_all(VPS)


if __name__ == "__main__":
    unittest.main()
