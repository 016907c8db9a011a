"""One host of the lab: running commands in it, its files, and who it is to the world."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from .errors import LabError
from .sandbox import COMMAND_BOUND, Process, Sandbox, enter_command, environment

Completed = subprocess.CompletedProcess[str]

_ASK_TCP = 'exec 3<>"/dev/tcp/$0/$1" && cat <&3'
_ASK_UDP = 'exec 3<>"/dev/udp/$0/$1" && echo who >&3 && head -n 1 <&3'
_WRITE_SYSCTLS = 'while read -r path value; do echo "$value" > "/proc/sys/$path" || exit; done'


class Host:
    """A network, mount and host name namespace with a /run of its own."""

    def __init__(self, sandbox: Sandbox, name: str, hosts_file: str) -> None:
        self.name = name
        self._sandbox = sandbox
        self.holder_pid, self.inner_pid = sandbox.start_holder(name, hosts_file)

    def run(
        self, argv: Sequence[str | Path], *, check: bool = True, input: str | None = None,
        bound: float = COMMAND_BOUND, env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Runs a command to its end and returns what it said; LabError with its messages when it fails and `check`."""
        words = [str(word) for word in argv]
        try:
            done = subprocess.run(
                enter_command(self.holder_pid, words), input=input, capture_output=True, text=True, errors="replace",
                timeout=bound, env=environment(env), stdin=None if input is not None else subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: {' '.join(words)}: not done after {bound:g} s") from None
        if check and done.returncode != 0:
            said = (done.stderr + done.stdout).strip()
            raise LabError(f"{self.name}: {' '.join(words)}: exit {done.returncode}: {said}")
        return done

    def output(self, argv: Sequence[str | Path]) -> str:
        return self.run(argv).stdout

    def start(self, argv: Sequence[str | Path], *, stdin: int = subprocess.DEVNULL,
              env: Mapping[str, str] | None = None) -> Process:
        """Starts a command in the background. It ends with the lab at the latest."""
        command = enter_command(self.holder_pid, [str(word) for word in argv])
        return self._sandbox.start(command, stdin=stdin, env=env)

    def path(self, inside: str) -> Path:
        """A file of this host as a path that can be opened from outside."""
        return Path(f"/proc/{self.holder_pid}/root{inside}")

    def ip_batch(self, commands: str) -> None:
        """Runs ip(8) commands, one a line."""
        self.run(["ip", "-batch", "-"], input=commands)

    def set_sysctls(self, values: Mapping[str, int]) -> None:
        """Writes sysctls given by their path under /proc/sys (slashes: interface names may hold dots)."""
        lines = "".join(f"{path} {value}\n" for path, value in values.items())
        self.run(["bash", "-c", _WRITE_SYSCTLS], input=lines)

    def sysctl(self, path: str) -> str:
        return self.output(["cat", f"/proc/sys/{path}"]).strip()

    def seen_as(self, server: str, port: int, *, protocol: str = "tcp", bound: float = 3.0) -> str | None:
        """The address by which `server` sees this host on a port that answers with it; None when nothing comes back."""
        script = _ASK_TCP if protocol == "tcp" else _ASK_UDP
        done = self.run(["timeout", f"{bound:g}", "bash", "-c", script, server, str(port)], check=False)
        return done.stdout.strip() or None

    def reaches(self, address: str, *, wait: int = 1) -> bool:
        """Whether packets pass both ways: `address` refuses, or takes, a connection to the discard port."""
        script = 'exec 3<>"/dev/tcp/$0/9"'
        done = self.run(["timeout", str(wait), "bash", "-c", script, address], check=False)
        return done.returncode == 0 or "Connection refused" in done.stderr
