"""One day beside a neighbour, and what it showed. A part that does not hold ends that part, not the day."""

from __future__ import annotations

import contextlib
import traceback
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple

LEAKED = "leaked"
OPENED = "open"


class Astray(NamedTuple):
    words: str  # in short, for a table
    reason: str


class WithoutUs(NamedTuple):
    """The same day without smtp-egress: what the rest is measured by."""

    left: str  # the neighbour's host in the end, all of it
    leaks: bool  # does tcp/25 of the container's reach the ISP? Else no leak proves little
    ways_in: tuple[str, ...]  # how the VPS reaches a port that is not published


@dataclass
class Day:
    leaked: int = 0  # packets to tcp/25 that the ISP got from the home line
    ways_in: tuple[str, ...] = ()
    astray: list[Astray] = field(default_factory=list)

    @contextlib.contextmanager
    def part(self, words: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # whatever it is: the table shall have the rest of the day too
            self.astray.append(Astray(words, traceback.format_exc()))

    def summary(self) -> str:
        """What does not hold, each once; nothing where all does."""
        return ", ".join(dict.fromkeys(f"{self.leaked} {LEAKED}" if item.words == LEAKED and self.leaked else item.words
                                       for item in self.astray))

    def reasons(self) -> str:
        return "\n".join(f"{words}: {reason}" for words, reason in self.astray)
