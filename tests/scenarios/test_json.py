#!/usr/bin/python3
"""The JSON documents have exactly the members that README.md lists."""

from __future__ import annotations

import json
import re
import unittest
from typing import Any

from scenario import ENABLE_HOME, NOT_ENABLED, REFUSED, ROOT, Scenario, topology

COMMON = {"version", "command", "ok", "exit"}
INSTANCE = {"instance", "side"}


def documented() -> dict[str, tuple[set[str], dict[str, set[str]]]]:
    """Command -> its members, and of a member that is a list or object, its own."""
    section = re.split(r"^#", (ROOT / "README.md").read_text().split("### JSON", 1)[1], flags=re.MULTILINE)[0]
    table: dict[str, tuple[set[str], dict[str, set[str]]]] = {}
    for row in re.findall(r"^\| (`.*?|any that failed) \| (.*) \|$", section, re.MULTILINE):
        cell = re.sub(r"\([^)]*\)", "", row[1])
        inner = {name: set(re.findall(r"`(\w+)(?:\[\])?`", re.sub(r"\{[^}]*\}", "", body)))
                 for name, body in re.findall(r"`(\w+)(?:\[\])?` \{((?:[^{}]|\{[^}]*\})*)\}", cell)}
        outer = set(re.findall(r"`(\w+)(?:\[\])?`", re.sub(r"\{(?:[^{}]|\{[^}]*\})*\}", "", cell)))
        for command in re.findall(r"`(\w+)`", row[0]) or ["failed"]:
            table[command] = (outer, inner)
    return table


class Documents(Scenario):
    def check(self, name: str, document: dict[str, Any], *, instance: bool = True) -> None:
        outer, inner = documented()[name]
        with self.subTest(name):
            self.assertEqual(document["version"], 1)
            self.assertEqual(set(document), COMMON | outer | (INSTANCE if instance else set()))
            for member, names in inner.items():
                found = document[member]
                for item in found if isinstance(found, list) else [found]:
                    self.assertEqual(set(item) - {"rules"}, names - {"rules"}, member)

    def test_members_are_those_that_the_readme_lists(self) -> None:
        home = self.lab.home
        self.check("plan", self.json_of(home, "plan", "mailu-home"))
        self.check("enable", self.json_of(home, *ENABLE_HOME))
        self.check("status", self.json_of(home, "status", "mailu-home"))
        self.check("verify", self.json_of(home, "verify", "mailu-home"))
        self.enable_vps()
        self.check("trace", self.json_of(home, "trace", "mailu-home", "--probe", "--to", topology.MX))
        self.check("report", self.json_of(home, "report", "mailu-home"))
        self.check("profiles", self.json_of(home, "profiles"), instance=False)
        self.check("check", self.json_of(home, "check", "mailu-home"), instance=False)
        self.check("pair", self.json_of(home, "pair", "mailu-home"))
        self.check("init", self.json_of(self.lab.vps, "init", "vps", "--print"))
        self.check("disable", self.json_of(home, "disable", "mailu-home"))

    def test_a_disable_that_finds_nothing_is_a_document_of_its_kind(self) -> None:
        self.check("disable", self.json_of(self.lab.home, "disable"), instance=False)

    def test_wrong_words_are_documents_too(self) -> None:
        for words in (("--json", "enabel", "mailu-home"), ("enable", "mailu-home", "--nonsense", "--json")):
            done = self.egress(self.lab.home, *words, expect=REFUSED)
            document = json.loads(done.stdout)
            self.check("failed", document)
            self.assertIsNone(document["side"])
            self.assertIn(document["error"]["message"], done.stderr)

    def test_what_check_finds_is_an_error_as_of_any_that_failed(self) -> None:
        done = self.egress(self.lab.home, "--json", "check", "home", "mailu-hom", expect=REFUSED)
        document = json.loads(done.stdout)
        self.assertEqual(done.stderr, "")
        self.check("check", document, instance=False)
        for file in document["files"]:
            for error in file["errors"]:
                self.assertEqual(set(error), {"key"} | documented()["failed"][1]["error"])

    def test_failures_are_documents_too(self) -> None:
        for words, code in ((("status", "mailu-home"), NOT_ENABLED), (("enable", "mailu-home", "--set", "table=0"), REFUSED)):
            done = self.egress(self.lab.home, "--json", *words, expect=code)
            document = json.loads(done.stdout)
            self.check("failed", document)
            self.assertEqual(document["instance"], "mailu-home")
            self.assertEqual(document["exit"], code)
            self.assertIn(document["error"]["message"], done.stderr)


if __name__ == "__main__":
    unittest.main()
