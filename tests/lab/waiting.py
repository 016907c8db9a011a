"""Waiting for a condition, always with a bound and never by a blind sleep."""

from __future__ import annotations

import os
import selectors
import time
from typing import IO, Callable, TypeVar

from .errors import LabError

Value = TypeVar("Value")

POLL_INTERVAL = 0.01  # seconds between two looks at a condition
DEFAULT_BOUND = 15.0  # seconds; far above anything seen, even on a loaded two-core machine


def poll(condition: Callable[[], Value], what: str, bound: float = DEFAULT_BOUND) -> Value:
    """Calls `condition` until its result is true and returns that; LabError naming `what` after `bound` seconds."""
    deadline = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {bound:g} s in vain for {what}")
        time.sleep(POLL_INTERVAL)


def read_until(stream: IO[bytes], wanted: bytes, what: str, bound: float = DEFAULT_BOUND) -> str:
    """Reads an unbuffered pipe until a whole line containing `wanted` has come; returns all that was read. What follows
    that line stays in the pipe for the next to wait for.
    """
    deadline = time.monotonic() + bound
    seen = line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not (line.endswith(b"\n") and wanted in line):
            if line.endswith(b"\n"):
                line = b""
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise LabError(f"waited {bound:g} s in vain for {what}; so far: {seen.decode(errors='replace')!r}")
            byte = os.read(stream.fileno(), 1)
            if not byte:
                raise LabError(f"{what} ended early; it said: {seen.decode(errors='replace')!r}")
            seen += byte
            line += byte
    return seen.decode(errors="replace")
