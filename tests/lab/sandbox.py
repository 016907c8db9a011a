"""The namespaces the lab lives in, and the processes in them.

A `Sandbox` is one pid and one mount namespace. Its first process holds the read end of a pipe whose only writer is the
process that made the sandbox: however that one ends, SIGKILL included, the pipe closes, the first process leaves, and
the kernel kills whatever else is in the pid namespace. The namespaces of the hosts are held by processes alone (no bind
mount, no name under /run/netns), so they go with them, and with them go interfaces, rules and files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import IO, Iterator, Mapping, Sequence

from .errors import LabError
from .waiting import poll, read_until

HOLDER_NAME = "smtp-egress-lab"  # argv[0] of a host's holder is this:HOST; the command line finds it by that
COMMAND_BOUND = 60.0  # seconds; bounds one command in a host
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# bash, because as first process of a pid namespace it reaps the orphans.
_FIRST_PROCESS = "echo ready; read -r _"

_HOLDER = """
set -e
hostname "$1"
mount -t tmpfs -o mode=755,size=256m tmpfs /run
mkdir -p /run/lock /run/lab
mount -t sysfs sysfs /sys
printf '%s\\n' "$2" > /run/lab/hosts
: > /run/lab/resolv.conf
mount --bind /run/lab/hosts /etc/hosts
if [ -e /etc/resolv.conf ]; then mount --bind /run/lab/resolv.conf /etc/resolv.conf; fi
ip link set lo up
echo "holder $$"
exec -a "$0:$1" sleep infinity
"""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of commands in a host: this process's, with Debian's own programs and untranslated messages."""
    return {**os.environ, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **(extra or {})}


def only_child(pid: int) -> int:
    """The process that nsenter or unshare forked, as seen from outside; waits until it is there."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")

    def look() -> int:
        try:
            children = listing.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            raise LabError(f"process {pid} ended before it started its command") from None
        return int(children[0]) if children else 0

    return poll(look, f"the child of process {pid}")


class Process:
    """A command running in a host in the background, in a session of its own (a Ctrl-C does not reach it)."""

    def __init__(self, argv: Sequence[str], *, stdin: int = subprocess.DEVNULL, env: Mapping[str, str] | None = None):
        self._popen = subprocess.Popen(
            list(argv), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True, env=environment(env),
        )

    @property
    def stdout(self) -> IO[bytes]:
        assert self._popen.stdout is not None
        return self._popen.stdout

    @property
    def stderr(self) -> IO[bytes]:
        assert self._popen.stderr is not None
        return self._popen.stderr

    @property
    def stdin(self) -> IO[bytes]:
        assert self._popen.stdin is not None
        return self._popen.stdin

    @property
    def pid(self) -> int:
        """The command itself, not the nsenter in front of it."""
        return only_child(self._popen.pid)

    def running(self) -> bool:
        return self._popen.poll() is None

    def asleep(self) -> bool:
        """The command waits for something, and is not on its way to a processor."""
        _, _, after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")
        return after_name.startswith("S")

    def send(self, number: signal.Signals) -> None:
        if self.running():
            try:
                os.kill(self.pid, number)
            except (ProcessLookupError, LabError):
                pass  # it ended in between

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """The command stands still inside the block; nsenter with it, which stops when its command does."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (self._popen.pid, self.pid):
                os.kill(pid, signal.SIGCONT)

    def wait(self, bound: float = COMMAND_BOUND) -> int:
        return self._popen.wait(bound)

    def stop(self, number: signal.Signals = signal.SIGTERM, bound: float = 5.0) -> int:
        """Signals the command, waits for its end, and kills it when it does not come; closes the pipes."""
        self.send(number)
        try:
            code = self._popen.wait(bound)
        except subprocess.TimeoutExpired:
            self._popen.kill()  # its command follows by the parent-death signal
            code = self._popen.wait()
        self.close()
        return code

    def close(self) -> None:
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()


class Sandbox:
    """One private pid and mount namespace; see the head of this file."""

    def __init__(self) -> None:
        self._first = Process(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", _FIRST_PROCESS],
            stdin=subprocess.PIPE,
        )
        read_until(self._first.stdout, b"ready", "the lab's first process")
        self.pid = self._first.pid
        self._started: list[Process] = []

    def start(self, argv: Sequence[str], *, stdin: int = subprocess.DEVNULL,
              env: Mapping[str, str] | None = None) -> Process:
        """Starts a command whose end `close` will see to."""
        process = Process(argv, stdin=stdin, env=env)
        self._started.append(process)
        return process

    def start_holder(self, name: str, hosts_file: str) -> tuple[int, int]:
        """Makes the network, mount and host name namespaces of a host; its holder's pid outside and inside."""
        holder = self.start(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--",
             "unshare", "--mount", "--net", "--uts", "bash", "-c", _HOLDER, HOLDER_NAME, name, hosts_file],
        )
        try:
            said = read_until(holder.stdout, b"holder", f"host {name}")
        except LabError as error:
            holder.wait(5)
            raise LabError(f"{error}; {holder.stderr.read().decode().strip()}") from None
        outside = holder.pid
        holder.close()
        return outside, int(said.split()[1])

    def close(self) -> None:
        self._first.stdin.close()
        try:
            self._first.wait(10)
        except subprocess.TimeoutExpired:
            self._first.stop(signal.SIGKILL)
        self._first.close()
        for process in self._started:  # the kernel has ended them; this takes note of it, so that no zombie stays
            process.wait(10)
            process.close()


def enter_command(holder_pid: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in a host. When the nsenter in it is killed, the command dies too."""
    return ["nsenter", "--target", str(holder_pid), "--mount", "--root", "--pid", "--net", "--uts", "--",
            "setpriv", "--pdeathsig", "KILL", "--", *argv]
