"""Real mail: Debian's swaks in the container, Debian's aiosmtpd on the MX host."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from . import topology as at
from .host import Host
from .sandbox import Process, Sandbox
from .waiting import read_until

_SERVER = Path(__file__).resolve().parent / "mx_server.py"
_SPEAKER = _SERVER.with_name("speaking_mx.py")
_LOG = "/run/lab/mails.jsonl"
_BODY_LINE = "The quick brown fox jumps over the lazy dog. " * 20 + "\n"  # 901 bytes; SMTP allows 998 a line

_CLIENT6 = """
import smtplib, sys
server, port, bound, subject, body = sys.argv[1:]
mail = f"Subject: {subject}\\r\\n\\r\\n{open(body).read()}"
try:
    with smtplib.SMTP(server, int(port), "mail.example.net", float(bound)) as client:
        client.sendmail("sender@example.net", ["reader@example.org"], mail)
except OSError as error:
    sys.exit(f"*** {error}")
"""

CONNECT_BOUND = 4  # seconds swaks waits for one answer; a blocked SYN gets none


@dataclass(frozen=True)
class Mail:
    """One mail as the MX took it."""

    peer: str
    size: int
    subject: str
    helo: str


@dataclass(frozen=True)
class MailResult:
    """What became of one attempt to send."""

    delivered: bool  # the MX's log has it
    seen_from: str | None  # the address in the MX's log
    size: int  # bytes the MX got; 0 when it got none
    seconds: float
    transcript: str  # swaks's own words

    @property
    def reason(self) -> str:
        """Why it was not delivered, in swaks's words."""
        errors = [line for line in self.transcript.splitlines() if line.startswith(("***", "<**"))]
        return errors[-1].lstrip("*<> \t") if errors else "no error told"


class MxHost(Host):
    """The host that takes the mail."""

    _server: Process

    def start_server(self) -> None:
        ports = [str(at.WHOAMI_UDP_PORT), *(str(port) for port in at.WHOAMI_TCP_PORTS)]
        self._server = self.start(["/usr/bin/python3", "-u", _SERVER, _LOG, *ports])
        read_until(self._server.stdout, b"ready", "the mail server on mx")

    def stop_server(self) -> None:
        """Its connections are closed."""
        self._server.stop()

    def speak(self, *words: str) -> Process:
        """A mail server of another kind in the real one's place; see speaking_mx.py."""
        self._server.stop()
        self._server = self.start(["/usr/bin/python3", "-u", _SPEAKER, *words])
        read_until(self._server.stdout, b"ready", "the speaking mail server on mx")
        return self._server

    def mails(self) -> list[Mail]:
        log = self.path(_LOG)
        if not log.exists():
            return []
        entries: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
        return [Mail(entry["peer"], entry["size"], entry["subject"], entry["helo"] or "") for entry in entries]


class MailHost(Host):
    """A host that sends mail."""

    def __init__(self, sandbox: Sandbox, name: str, hosts_file: str, mx: MxHost) -> None:
        super().__init__(sandbox, name, hosts_file)
        self._mx = mx
        self._numbers = itertools.count(1)

    def send_mail(self, size: int = 2_000, *, server: str = at.MX, port: int = 25, bound: int = CONNECT_BOUND,
                  before: Sequence[str] = (), further: Sequence[str] = ()) -> MailResult:
        """Sends one mail of about `size` bytes and looks up in the MX's log what arrived.

        `bound` is how many seconds the client waits for each of the server's answers; `before` what runs the client,
        as another user, say; `further` are words for swaks."""
        subject = f"mail {next(self._numbers)} of {self.name}"
        body = "/run/lab/body"
        self.path(body).write_text(_BODY_LINE * max(1, size // len(_BODY_LINE)))
        started = time.monotonic()
        client = [
            "swaks", "--server", server, "--port", str(port), "--ehlo", "mail.example.net",
            "--from", "sender@example.net", "--to", "reader@example.org", "--header", f"Subject: {subject}",
            "--body", f"@{body}", "--timeout", str(bound), "--suppress-data", *further]
        if ":" in server:  # swaks has IPv6 only with a further package
            client = ["/usr/bin/python3", "-c", _CLIENT6, server, str(port), str(bound), subject, body]
        done = self.run([*before, *client], check=False, bound=120)
        seconds = time.monotonic() - started
        mail = next((mail for mail in self._mx.mails() if mail.subject == subject), None)
        return MailResult(
            delivered=mail is not None and done.returncode == 0,
            seen_from=mail.peer if mail else None,
            size=mail.size if mail else 0,
            seconds=seconds,
            transcript=done.stdout + done.stderr,
        )
