#!/usr/bin/python3
"""A day beside every neighbour (neighbour.py), over IPv4 and over IPv6, with every way that a home profile can be set,
and a table of what holds.

    sudo tests/neighbours/run --matrix [NAME...]     e.g.  sudo tests/neighbours/run --matrix ufw firewalld

A row is measured by a process of its own, two at a time. Exit 1 if anything does not hold.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import importlib
import itertools
import json
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Iterator, Sequence

from neighbour import FAMILIES, Family, Neighbour, WithoutUs

_STEERINGS, _NATS = ("mark", "rule"), ("preserve", "masquerade")
_AT_A_TIME = 2  # rows; they wait more than they work
_NAME, _CONTROL, _COLUMN = 34, 15, 20  # characters
_LEGEND = """\
  mail     the MX gets it from the VPS's address of that family, before and after the neighbour was at work
  0        packets to tcp/25 that the ISP counted on the home line, IPv4 and IPv6
  own      the neighbour restarts or loads anew, makes something new, lists its rules: no error; left as without us
  closed   the VPS reaches no unpublished port of the container, from source port 25 or any other, by SYN or ACK;
           (open): it does, and no more than without us; "published" is the first variant with `inbound` so, which
           has to close it
A cell with anything else in it says what does not hold, and its reason follows the table. "untold": no mail, and verify
on that host finds nothing. "without us" is the same day without smtp-egress: does the container's tcp/25 reach the ISP
by the home line (leaks), or has a firewall or a VPN of the neighbour's taken it (stays); is that port open to the VPS.
"""


@dataclasses.dataclass(frozen=True)
class Variant:
    steering: str
    nat: str
    inbound: str = "any"

    def __str__(self) -> str:
        return self.inbound if self.inbound != "any" else f"{self.steering}+{self.nat}"


VARIANTS = [*(Variant(*words) for words in itertools.product(_STEERINGS, _NATS)),
            Variant(_STEERINGS[0], _NATS[0], "published")]


@dataclasses.dataclass(frozen=True)
class Cell:
    text: str
    reason: str = ""  # none where all holds


@dataclasses.dataclass(frozen=True)
class Row:
    module: str
    neighbour: str
    family: Family

    def __str__(self) -> str:
        return f"{self.module} {self.neighbour}"

    def type(self) -> type[Neighbour]:
        found: type[Neighbour] = getattr(importlib.import_module(f"test_{self.module}"), self.neighbour)
        return found

    def measure(self) -> tuple[str, list[Cell]]:
        """What is without us, and a cell for each variant."""
        cells: list[Cell] = []
        known: WithoutUs | None = None
        for variant in VARIANTS:
            ways = {"family": self.family, "steering": variant.steering, "nat": variant.nat, "inbound": variant.inbound,
                    "without_us": known}
            case = type(self.neighbour, (self.type(),), ways)("test_a_day")
            result = unittest.TestResult()
            case.run(result)
            known = case.without_us
            cells.append(_cell(case, "\n".join(text for _, text in (*result.failures, *result.errors))))
        return _control(known), cells

    def measured(self) -> tuple[str, list[Cell]]:
        """By a process of its own: one that ends in whatever way takes its labs with it, and no other row."""
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, "--row", self.module, self.neighbour,
                   self.family.name]
        done = subprocess.run(command, capture_output=True, text=True)
        try:
            control, cells = json.loads(done.stdout)
        except ValueError:
            return "-", [Cell("not measured", done.stdout + done.stderr)] * len(VARIANTS)
        return control, [Cell(*words) for words in cells]


def _control(known: WithoutUs | None) -> str:
    if known is None:
        return "-"
    return f"{'leaks' if known.leaks else 'stays'} {'open' if known.ways_in else 'closed'}"


def _cell(case: Neighbour, reason: str) -> Cell:
    if reason:
        return Cell(case.day.summary() or "not begun", reason)
    return Cell(f"mail {case.day.leaked} own {'(open)' if case.day.ways_in else 'closed'}")


def rows(names: Sequence[str]) -> Iterator[Row]:
    """Those with a day, of the files named or of all."""
    for name in names or sorted(path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"test_{name}")
        for found in vars(module).values():
            if isinstance(found, type) and found.__module__ == module.__name__ and hasattr(found, "test_a_day"):
                yield from (Row(name, found.__name__, family) for family in FAMILIES)


class Table:
    """Printed row by row; the reasons, each once and numbered, in the end."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        heads = "".join(f"{str(variant):{_COLUMN}}" for variant in VARIANTS)
        print(f"{_LEGEND}\n{'':{_NAME}}       {'without us':{_CONTROL}}{heads}".rstrip(), flush=True)

    def add(self, row: Row, control: str, cells: Sequence[Cell]) -> None:
        texts = [f"{cell.text}{self._note(row, cell, variant)}" for cell, variant in zip(cells, VARIANTS)]
        line = "".join(f"{text:{_COLUMN - 1}} " for text in texts)  # a longer one moves the rest
        print(f"{str(row):{_NAME}} {row.family}  {control:{_CONTROL}}{line}".rstrip(), flush=True)

    def _note(self, row: Row, cell: Cell, variant: Variant) -> str:
        if not cell.reason:
            return ""
        self.reasons.append(f"[{len(self.reasons) + 1}] {row} {row.family}, {variant}: {cell.text}\n{cell.reason}")
        return f" [{len(self.reasons)}]"

    def end(self) -> None:
        for text in self.reasons:
            print(f"\n{text}")


def main(names: Sequence[str]) -> int:
    table = Table()
    pool = concurrent.futures.ThreadPoolExecutor(_AT_A_TIME)
    try:
        wanted = list(rows(names))
        for row, measured in zip(wanted, [pool.submit(row.measured) for row in wanted]):
            table.add(row, *measured.result())
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted, no further row begins
    table.end()
    return 1 if table.reasons else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        control, cells = Row(sys.argv[2], sys.argv[3], next(f for f in FAMILIES if f.name == sys.argv[4])).measure()
        json.dump((control, [dataclasses.astuple(cell) for cell in cells]), sys.stdout)
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
