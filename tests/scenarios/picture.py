"""verify's picture of the path, as its text and its JSON have it."""

from __future__ import annotations

import re
from typing import Any

# A hop's id, by what the text calls it; in the order of the way out.
LABELS = {"home": "home", "mail stack": "sender", "bridge": "bridge", "mark": "mark", "table": "table",
          "firewall": "firewall", "tunnel": "tunnel", "VPS": "vps", "SNAT": "snat", "internet": "internet"}
_ORDER = list(LABELS.values())
_OUTCOMES = {"✓": "ok", "✗": "broken", "–": "unknown", "ok": "ok", "X": "broken", "-": "unknown"}
_RAILS = "│┊|:"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_ROW = re.compile(r"^ {6}(\S+) +(\S+) +(" + "|".join(LABELS) + r")(?:  +(.*))?$")

Outcomes = dict[tuple[str, str], str]  # by hop and way


def first_broken(path: list[dict[str, Any]]) -> dict[str, Any] | None:
    broken = [hop for hop in path if hop["outcome"] == "broken"]
    return min(broken, key=lambda hop: _ORDER.index(hop["id"]), default=None)


def outcomes_of(path: list[dict[str, Any]]) -> Outcomes:
    return {(hop["id"], hop["way"]): hop["outcome"] for hop in path}


def drawn(text: str) -> Outcomes:
    """What the text's picture shows of each hop; a rail is no hop."""
    found: Outcomes = {}
    for line in _ESCAPES.sub("", text).splitlines():
        row = _ROW.match(line)
        for way, mark in zip(("out", "back"), row.groups()[:2] if row else ()):
            if mark not in _RAILS:
                found[LABELS[row[3]], way] = _OUTCOMES[mark]
    return found
