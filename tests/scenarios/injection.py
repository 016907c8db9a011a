"""The program killed, or refused, at each of its system calls that write. strace does it, N-th call by N-th call (it
counts each kind of call by itself). No point is left to chance.
"""

from __future__ import annotations

import collections
import itertools
import os
import re
from typing import Callable, NamedTuple

from scenario import ENABLE_HOME, ENABLE_VPS, PROGRAM, Completed, Host, Lab, Scenario, topology

# The calls by which a program changes the kernel's state or a file.
WRITING_CALLS = ("sendmsg", "sendmmsg", "sendto", "write", "writev", "pwrite64", "ftruncate", "rename", "renameat",
                 "renameat2", "fsync", "fdatasync", "unlink", "unlinkat", "mkdir", "mkdirat")
# They write where they make a file, or open one for writing. Killed there, a program leaves what it leaves when it is
# killed at its next call.
OPENING_CALLS = ("open", "openat", "openat2", "creat")
FEWEST_POINTS = 10  # fewer would mean that strace does not do what this is built on
OTHER_NET, OTHER_SOURCE = "10.7.0.0/16", "10.7.0.10"  # of a former profile
_AWAY = "192.0.2.200"  # nobody's, so that no packet belongs to the flows made up here
_FOR_WRITING = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC)\b")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)", re.MULTILINE)  # of strace -f
# Of strace -y. Whether memory is there to be read, a sanitizer tries by writing it to a pipe of its own.
_OF_A_SANITIZER = re.compile(r"([3-9]|\d\d+)<pipe:")
_MOST_CALLS = 400  # of one kind; far above what the program makes; bounds the loop
_SIGKILLED = (-9, 137)
_TRACE = "/run/lab/strace"
_FAST = "--seccomp-bpf"  # stops at the traced calls alone; no signal can be injected then


class Call(NamedTuple):
    name: str
    number: int  # of its name, from 1


class Injection(Scenario):
    def setUp(self) -> None:
        super().setUp()
        # Where the VPS does not forward yet: what switching that on sets beside it, and switching it off does not bring
        # back by itself.
        self.lab.vps.set_sysctls({"net/ipv4/conf/all/accept_redirects": 0, "net/ipv4/conf/wg0/forwarding": 1})

    def _traced(self, host: Host, calls: tuple[str, ...], options: tuple[str, ...],
                arguments: tuple[str, ...]) -> Completed:
        return host.run(["strace", *options, "-qq", "-f", "-y", "-o", _TRACE, "-e", f"trace={','.join(calls)}",
                         PROGRAM, *arguments], check=False,
                        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # LeakSanitizer cannot work under strace

    def killed_at(self, host: Host, call: str, number: int, *arguments: str) -> bool:
        """Runs the program so that its `number`-th `call` is its last; False when it made fewer."""
        done = self._traced(host, (call,), ("-e", f"inject={call}:signal=SIGKILL:when={number}"), arguments)
        if done.returncode not in _SIGKILLED:
            self.assertEqual(done.returncode, 0, f"not killed and not well: {done.stdout}{done.stderr}")
        return done.returncode in _SIGKILLED

    def failing_at(self, host: Host, call: str, error: str, number: int, *arguments: str) -> tuple[Completed, bool]:
        """Runs the program so that its `number`-th `call` fails; False when it made fewer."""
        done = self._traced(host, (call,), (_FAST, "-e", f"inject={call}:error={error}:when={number}"), arguments)
        return done, "(INJECTED)" in host.path(_TRACE).read_text()

    def writing_calls(self, host: Host, *arguments: str) -> list[Call]:
        """Runs the program, to success, and returns every call that wrote."""
        known = tuple(f"?{call}" for call in WRITING_CALLS + OPENING_CALLS)  # not every architecture has them all
        done = self._traced(host, known, (_FAST,), arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        made: collections.Counter[str] = collections.Counter()
        writing = []
        for call, words in _CALL.findall(host.path(_TRACE).read_text()):
            made[call] += 1
            if (call in WRITING_CALLS or _FOR_WRITING.search(words)) and not _OF_A_SANITIZER.match(words):
                writing.append(Call(call, made[call]))
        return writing

    def open_mail_flows(self, host: Host) -> None:
        """Of both networks, and by each way, so that there are some to be dropped whatever the command does."""
        own = topology.HOME if host is self.lab.home else topology.VPS
        kinds = itertools.product((topology.CONTAINER, OTHER_SOURCE), (True, False))
        lines = (f"-I -p tcp --state ESTABLISHED -t 3600 -s {source} -d {_AWAY} --sport {port} --dport 25 "
                 f"-r {_AWAY} -q {source if as_itself else own} --reply-port-src 25 --reply-port-dst {port}\n"
                 for port, (source, as_itself) in enumerate(kinds, 40000))
        host.run(["conntrack", "-D", "-d", _AWAY], check=False)  # exit 1 where there are none
        host.run(["conntrack", "-R", "-"], input="".join(lines))

    def every_kill(self, before: Callable[[], object], host: Host, arguments: tuple[str, ...],
                   after: Callable[[int], None]) -> None:
        """Runs `before`, kills the program, runs `after`: for N = 1, 2, ... of each writing call, until it makes fewer.

        (Their number is not known beforehand: flows come and go while the container knocks.)
        """
        points = 0
        for call in WRITING_CALLS:
            for number in range(1, _MOST_CALLS):
                before()
                self.open_mail_flows(host)
                killed = self.killed_at(host, call, number, *arguments)
                with self.subTest(killed_at=f"{call} {number}"):
                    after(number)
                if not killed:
                    break
                points += 1
        print(f"killed: {' '.join(arguments[:2])}: {points} points", flush=True)
        self.assertGreaterEqual(points, FEWEST_POINTS, "points that were tried")


class EveryCommand:
    """Each command that changes a host, on each side; beside Injection, which is told what to check by."""

    # The profile that another takes the place of: another mark, table and priority.
    former_at_home: tuple[str, ...] = (*ENABLE_HOME, "--set", "mark=0x21", "--set", "table=200", "--set",
                                       "priority=10100")
    former_on_the_vps: tuple[str, ...] = (*ENABLE_VPS, "--subnet", OTHER_NET)
    lab: Lab
    check_enable: Callable[[Host, str, tuple[str, ...]], None]
    check_disable: Callable[[Host, str, tuple[str, ...]], None]
    check_take_over: Callable[[Host, str, tuple[str, ...]], None]
    check_change: Callable[[Host, str, tuple[str, ...], tuple[str, ...]], None]

    def test_enable_at_home(self) -> None:
        self.check_enable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_enable_on_the_vps(self) -> None:
        self.check_enable(self.lab.vps, "mailu-vps", ENABLE_VPS)

    def test_disable_at_home(self) -> None:
        self.check_disable(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_disable_on_the_vps(self) -> None:
        self.check_disable(self.lab.vps, "mailu-vps", ENABLE_VPS)

    def test_another_profile_at_home(self) -> None:
        self.check_change(self.lab.home, "mailu-home", self.former_at_home, ENABLE_HOME)

    def test_another_profile_on_the_vps(self) -> None:
        self.check_change(self.lab.vps, "mailu-vps", self.former_on_the_vps, ENABLE_VPS)

    def test_take_over_at_home(self) -> None:
        self.check_take_over(self.lab.home, "mailu-home", ENABLE_HOME)

    def test_take_over_on_the_vps(self) -> None:
        self.check_take_over(self.lab.vps, "mailu-vps", ENABLE_VPS)
