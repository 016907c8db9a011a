"""What the scenario tests share: the program under test, the lab around it, and the checks that recur.

    SMTP_EGRESS               the program; default build/release/smtp-egress
    SMTP_EGRESS_PROFILE_DIR   the shipped profiles; default profiles/
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import sys
import unittest
from pathlib import Path
from typing import Any, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))

from lab import Completed, Detail, HomeFirewall, Host, Lab, MailResult, Options, Process, topology  # noqa: E402
from lab.waiting import read_until  # noqa: E402

__all__ = [
    "Completed", "Detail", "DONE", "ENABLE_HOME", "ENABLE_VPS", "HomeFirewall", "Host", "KERNEL_REFUSED", "Lab", "MailResult",
    "NOT_AS_IT_SHOULD_BE", "NOT_ENABLED", "NOT_PERMITTED", "Options", "PROGRAM", "Process", "REFUSED", "ROOT",
    "Scenario", "topology",
]

PROGRAM = Path(os.environ.setdefault("SMTP_EGRESS", str(ROOT / "build/release/smtp-egress"))).resolve()
os.environ.setdefault("SMTP_EGRESS_PROFILE_DIR", str(ROOT / "profiles"))

os.umask(0o022)  # a profile or a state directory that others may write to is refused

DONE, NOT_AS_IT_SHOULD_BE, REFUSED, NOT_ENABLED, NOT_PERMITTED, KERNEL_REFUSED = range(6)  # exit codes of the program
ENABLE_HOME = ("enable", "mailu-home", "--tunnel", topology.TUNNEL)
ENABLE_VPS = ("enable", "mailu-vps", "--public-ip", topology.VPS)

# Opens connections to tcp/25 of all addresses named, one every 5 ms, each with its own source port: without end, or as
# many as it is told.
_KNOCK = """
import itertools, socket, sys, time
print("knocking", flush=True)
held = []
rounds, servers = int(sys.argv[1]), itertools.cycle(sys.argv[2:])
for _ in range(rounds) if rounds else itertools.count():
    server = next(servers)
    knock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_STREAM)
    knock.setblocking(False)
    knock.connect_ex((server, 25))
    held.append(knock)
    if len(held) > 200:
        held.pop(0).close()
    time.sleep(0.005)
"""


class Scenario(unittest.TestCase):
    """Each test gets a lab of its own, raised with `options`."""

    options = Options()
    servers: tuple[str, ...] = (topology.MX,)  # whom the container knocks at
    lab: Lab

    def setUp(self) -> None:
        if os.geteuid() != 0:
            self.fail("needs root: the lab makes network namespaces")
        if not PROGRAM.exists():
            self.fail(f"no program at {PROGRAM}: build it, or name it in SMTP_EGRESS")
        self.raise_lab(self.options)

    def raise_lab(self, options: Options) -> Lab:
        lab = Lab(options)
        self.lab = lab.__enter__()
        self.addCleanup(lab.close)
        return lab

    # The program

    def egress(self, host: Host, *arguments: str | Path, expect: int | None = DONE,
               before: Sequence[str] = ()) -> Completed:
        """Runs smtp-egress on a host, and fails the test when its exit code is not the one expected."""
        done = host.run([*before, PROGRAM, *arguments], check=False)
        if expect is not None and done.returncode != expect:
            words = " ".join(str(word) for word in arguments)
            self.fail(f"{host.name}: smtp-egress {words}: exit {done.returncode}, not {expect}\n"
                      f"{done.stdout}{done.stderr}")
        return done

    def json_of(self, host: Host, *arguments: str, expect: int | None = DONE) -> Any:
        return json.loads(self.egress(host, "--json", *arguments, expect=expect).stdout)

    def enable_home(self) -> Completed:
        return self.egress(self.lab.home, *ENABLE_HOME)

    def enable_vps(self) -> Completed:
        return self.egress(self.lab.vps, *ENABLE_VPS)

    def enable_both(self) -> None:
        self.enable_vps()
        self.enable_home()

    def disable_both(self) -> None:
        self.egress(self.lab.home, "disable", "mailu-home")
        self.egress(self.lab.vps, "disable", "mailu-vps")

    # Checks

    def assert_seen_from_vps(self, result: MailResult) -> None:
        self.assertTrue(result.delivered, f"the mail did not arrive: {result.reason}\n{result.transcript[-1500:]}")
        self.assertEqual(result.seen_from, topology.VPS)

    def assert_mail_passes(self, size: int = 2_000) -> None:
        self.assert_seen_from_vps(self.lab.container.send_mail(size))

    def assert_same(self, before: str, after: str) -> None:
        """Two snapshots, compared byte by byte."""
        if before != after:
            changes = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=2)
            self.fail("the snapshots differ:\n" + "\n".join(changes))

    def assert_said(self, done: Completed, *words: str) -> None:
        said = (done.stdout + done.stderr).lower()
        for word in words:
            self.assertIn(word.lower(), said)

    @contextlib.contextmanager
    def nothing_changes(self, *hosts: Host, detail: Detail = Detail.HANDLES) -> Iterator[None]:
        before = [self.lab.snapshot(host, detail) for host in hosts]
        yield
        for host, then in zip(hosts, before):
            self.assert_same(then, self.lab.snapshot(host, detail))

    @contextlib.contextmanager
    def no_leak(self) -> Iterator[None]:
        """Not one packet to tcp/25 from the home line inside the block: by the ISP's counter and by capture."""
        before = self.lab.isp_leak_count()
        capture = self.lab.capture(self.lab.isp, topology.ISP_TO_HOME, "tcp dst port 25")
        with capture:
            yield
        self.assertEqual(capture.packets, [], "the ISP's line saw tcp/25")
        self.assertEqual(self.lab.isp_leak_count() - before, 0, "the ISP counted tcp/25")

    @contextlib.contextmanager
    def knocking(self, host: Host | None = None, before: Sequence[str] = ()) -> Iterator[Process]:
        """The container (or `host`, by way of the command `before`) keeps opening connections to the MX's port 25
        inside the block."""
        sender = host or self.lab.container
        knocker = sender.start([*before, "/usr/bin/python3", "-c", _KNOCK, "0", *self.servers])
        read_until(knocker.stdout, b"knocking", "the knocking client")
        try:
            yield knocker
        finally:
            knocker.stop()

    def knock(self, times: int = 5) -> None:
        """The container tries to open a connection to the MX's port 25 that many times, and does not wait for any."""
        self.lab.container.run(["/usr/bin/python3", "-c", _KNOCK, str(times), *self.servers])

    def try_mail(self) -> MailResult:
        """One attempt that need not succeed; it ends as soon as the client gives up."""
        return self.lab.container.send_mail(bound=2)

    def flush_the_firewall_and_lose_the_tunnel(self) -> None:
        """All of home's rules, of everybody: with the tunnel the mail passes, without it it waits."""
        with self.no_leak(), self.knocking():
            self.lab.home.run(["nft", "flush", "ruleset"])
            self.assert_mail_passes()
            self.lab.home_tunnel.down()
            self.assertFalse(self.try_mail().delivered)
            self.lab.home_tunnel.delete()
            self.assertFalse(self.try_mail().delivered)
