#!/usr/bin/python3
"""Times the same job done by several programs, in turn, on one host of the lab. Prints one JSON document.

Runs inside the host's namespaces (bench raises the lab and starts it there): measure.py PROGRAM ROUNDS
Times are wall-clock milliseconds from starting the process to having waited for it, as a hook's caller feels them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = ("enable", "enable again", "status", "verify", "disable")


def timed(words: list[str], wanted: int = 0) -> float:
    quiet = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    begin = time.perf_counter()
    child = os.posix_spawn(words[0], words, os.environ, file_actions=quiet)
    _, status = os.waitpid(child, 0)
    took = (time.perf_counter() - begin) * 1000
    code = os.waitstatus_to_exitcode(status)
    if code != wanted:
        raise SystemExit(f"{' '.join(words)}: exit {code}")
    return took


def commands(program: str) -> dict[str, dict[str, list[str]]]:
    """Contender -> step -> command. None of the others has a verify that judges; the batch cannot be run twice without
    first undoing it, so it has no 'again'."""
    common = [step for step in STEPS if step != "verify"]
    shell, batch = str(HERE / "by_shell.sh"), str(HERE / "by_batch.sh")
    return {
        "smtp-egress": {
            "enable": [program, "enable", "mailu-home"],
            "enable again": [program, "enable", "mailu-home"],
            "status": [program, "status", "mailu-home"],
            "verify": [program, "verify", "mailu-home"],
            "disable": [program, "disable", "mailu-home"],
        },
        "shell script": {step: [shell, step.split()[0]] for step in common},
        "shell script, bare": {step: [shell, step.split()[0], "bare"] for step in common},
        "nft -f + ip -batch": {step: [batch, step] for step in common if step != "enable again"},
    }


def main() -> None:
    program, rounds = sys.argv[1], int(sys.argv[2])
    contenders = commands(program)
    samples: dict[str, dict[str, list[float]]] = {name: {step: [] for step in steps} for name, steps in contenders.items()}
    for number in range(rounds + 1):  # the first round warms up and is not counted
        for name, steps in contenders.items():
            for step in STEPS:
                if step in steps:
                    took = timed(steps[step])
                    if number:
                        samples[name][step].append(took)
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main()
