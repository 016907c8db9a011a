"""The program killed, or refused, at each of its system calls that write. strace does it, N-th call by N-th call, for
N = 1, 2, ... until the program makes fewer (it counts each kind of call by itself). No point is left to chance.
"""

from __future__ import annotations

import os
from typing import Callable

from scenario import PROGRAM, Completed, Host, Scenario

# The calls by which a program changes the kernel's state or a file.
WRITING_CALLS = ("sendmsg", "sendmmsg", "sendto", "write", "writev", "pwrite64", "ftruncate", "rename", "renameat",
                 "renameat2", "fsync", "fdatasync", "unlink", "unlinkat", "mkdir", "mkdirat")
_MOST_CALLS = 400  # of one kind; far above what the program makes; bounds the loop
_FEWEST_POINTS = 10  # fewer would mean that strace does not do what this is built on
_SIGKILLED = (-9, 137)
_TRACE = "/run/lab/strace"


class Injection(Scenario):
    def _traced(self, host: Host, call: str, what: str, arguments: tuple[str, ...]) -> Completed:
        return host.run(["strace", "-qq", "-f", "-o", _TRACE, "-e", f"trace={call}", "-e", f"inject={call}:{what}",
                         PROGRAM, *arguments], check=False,
                        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # LeakSanitizer cannot work under strace

    def killed_at(self, host: Host, call: str, number: int, *arguments: str) -> bool:
        """Runs the program so that its `number`-th `call` is its last; False when it made fewer."""
        done = self._traced(host, call, f"signal=SIGKILL:when={number}", arguments)
        if done.returncode not in _SIGKILLED:
            self.assertEqual(done.returncode, 0, f"not killed and not well: {done.stdout}{done.stderr}")
        return done.returncode in _SIGKILLED

    def failing_at(self, host: Host, call: str, error: str, number: int, *arguments: str) -> tuple[Completed, bool]:
        """Runs the program so that its `number`-th `call` fails; False when it made fewer."""
        done = self._traced(host, call, f"error={error}:when={number}", arguments)
        return done, "(INJECTED)" in host.path(_TRACE).read_text()

    def every_call(self, what: str, calls: tuple[str, ...], once: Callable[[str, int], bool]) -> int:
        """Calls once(call, N) for N = 1, 2, ... until it returns False, for each kind of call; how many were True."""
        points = 0
        for call in calls:
            for number in range(1, _MOST_CALLS):
                if not once(call, number):
                    break
                points += 1
        print(f"{what}: {points} points", flush=True)
        self.assertGreaterEqual(points, _FEWEST_POINTS, "points that were tried")
        return points

    def every_kill(self, before: Callable[[], object], host: Host, arguments: tuple[str, ...],
                   after: Callable[[int], None]) -> None:
        """Runs `before`, kills the program, runs `after`: once for every writing call the program makes."""

        def once(call: str, number: int) -> bool:
            before()
            killed = self.killed_at(host, call, number, *arguments)
            with self.subTest(killed_at=f"{call} {number}"):
                after(number)
            return killed

        self.every_call(f"killed: {' '.join(arguments[:2])}", WRITING_CALLS, once)
