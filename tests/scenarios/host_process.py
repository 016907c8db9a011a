"""A mail server that is a process of the home host itself: Mox, as its own user."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Sequence

from scenario import MailResult, Process, Scenario, topology as at

MOX = 997  # the user's number, which no user of this machine needs to have
AS_MOX = ("setpriv", f"--reuid={MOX}", f"--regid={MOX}", "--clear-groups", "--")
PASSWD = "/run/lab/passwd"


class HostProcess(Scenario):
    """The home host knows a user mox; who sends is he, and not the container."""

    def setUp(self) -> None:
        super().setUp()
        self.know_user(MOX)

    def know_user(self, number: int, name: str = "mox") -> None:
        """In a user database of the host's own: each has its own mounts."""
        home = self.lab.home
        is_first = not home.path(PASSWD).exists()
        home.path(PASSWD).write_text(f"root:x:0:0:root:/root:/bin/bash\n{name}:x:{number}:{number}::/home/mox:/bin/sh\n")
        if is_first:
            home.run(["mount", "--bind", PASSWD, "/etc/passwd"])

    def mox_sends(self, size: int = 2_000, **how: Any) -> MailResult:
        return self.lab.home.send_mail(size, before=AS_MOX, **how)

    def root_sends(self, **how: Any) -> MailResult:
        return self.lab.home.send_mail(**{"bound": 1, **how})

    def as_mox(self, *command: str) -> str:
        """What a command of his says, or how it fails."""
        done = self.lab.home.run([*AS_MOX, *command], check=False)
        return (done.stdout + done.stderr).strip()

    # What the container does in other scenarios.

    def assert_mail_passes(self, size: int = 2_000) -> None:
        self.assert_seen_from_vps(self.mox_sends(size))

    def try_mail(self) -> MailResult:
        return self.mox_sends(bound=1)

    @contextlib.contextmanager
    def knocking(self, host: Any = None, before: Sequence[str] = AS_MOX) -> Iterator[Process]:
        with super().knocking(host or self.lab.home, before) as knocker:
            yield knocker

    def seen_as(self, server: str, port: int, before: Sequence[str] = ()) -> str | None:
        """By whom a server sees a process of the host."""
        script = 'exec 3<>"/dev/tcp/$0/$1" && cat <&3'
        done = self.lab.home.run([*before, "timeout", "3", "bash", "-c", script, server, str(port)], check=False)
        return done.stdout.strip() or None

    def enable_mox(self, *settings: str) -> None:
        self.egress(self.lab.vps, "enable", "mox-vps", "--public-ip", at.VPS)
        self.egress(self.lab.home, "enable", "mox-home", *settings)

    def disable_mox(self) -> None:
        self.egress(self.lab.home, "disable", "mox-home")
        self.egress(self.lab.vps, "disable", "mox-vps")
