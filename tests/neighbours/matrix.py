#!/usr/bin/python3
"""A day in short beside every neighbour, with every way that a home profile can be set, and a table of what holds. Where
one does not hold, the table names the step that failed; the reasons follow.

    sudo tests/neighbours/run --matrix [NAME...]     e.g.  sudo tests/neighbours/run --matrix ufw firewalld
"""

from __future__ import annotations

import importlib
import itertools
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping, Sequence

from neighbour import Neighbour, topology

_STEERINGS, _NATS = ("mark", "rule"), ("preserve", "masquerade")
_VPS_SETTINGS: Mapping[str, tuple[str, ...]] = {"preserve": (), "masquerade": ("--subnet", f"{topology.HOME_TUNNEL}/32")}


@dataclass(frozen=True)
class Variant:
    steering: str
    nat: str

    def __str__(self) -> str:
        return f"{self.steering}+{self.nat}"

    def beside(self, neighbour: type[Neighbour]) -> type[Neighbour]:
        return type(neighbour.__name__, (neighbour,), {
            "home_settings": (*neighbour.home_settings, "--set", f"steering={self.steering}",
                              "--set", f"nat={self.nat}"),
            "vps_settings": (*neighbour.vps_settings, *_VPS_SETTINGS[self.nat]),
        })


VARIANTS = [Variant(*words) for words in itertools.product(_STEERINGS, _NATS)]


def neighbours(names: Sequence[str]) -> Iterator[tuple[str, type[Neighbour]]]:
    """Those with a day, of the files named or of all."""
    for name in names or sorted(path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"test_{name}")
        for found in vars(module).values():
            if isinstance(found, type) and found.__module__ == module.__name__ and hasattr(found, "test_a_day"):
                yield f"{name} {found.__name__}", found


def spend(neighbour: type[Neighbour]) -> tuple[str, str]:
    """What the table says of that day, and why."""
    day = neighbour("test_a_day")
    result = unittest.TestResult()
    day.run(result)
    reasons = [text for _, text in (*result.failures, *result.errors)]
    return (f"not {day.step or 'begun'}" if reasons else "holds"), "\n".join(reasons)


def main(names: Sequence[str]) -> int:
    width = 36
    print(" " * width + "".join(f"{str(variant):18}" for variant in VARIANTS))
    astray: list[str] = []
    for row, neighbour in neighbours(names):
        print(f"{row:{width}}", end="", flush=True)
        for variant in VARIANTS:
            said, reason = spend(variant.beside(neighbour))
            print(f"{said:18}", end="", flush=True)
            if reason:
                astray.append(f"{row}, {variant}: {said}\n{reason}")
        print()
    for text in astray:
        print(f"\n{text}")
    return 1 if astray else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
