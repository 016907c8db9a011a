#!/usr/bin/python3
"""Enable on an enabled host touches nothing; enable and disable leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import signal
import unittest
from typing import Iterator

from scenario import ENABLE_HOME, ENABLE_VPS, Detail, Host, Scenario, topology
from lab.waiting import poll, read_until

ROUNDS = 10


class Monitor:
    """`ip monitor` or `nft monitor` on a host. Two changes of the test's own frame what is listened to."""

    def __init__(self, host: Host, monitor: list[str], make: list[str], undo: list[str], sign: str) -> None:
        self._host, self._make, self._undo, self._sign = host, make, undo, sign.encode()
        self._process = host.start(["stdbuf", "-oL", *monitor])

    def _probe(self) -> str:
        """Makes and undoes the probe until the monitor tells of it; returns what it said until then."""
        self._host.run(self._make)
        self._host.run(self._undo)
        return read_until(self._process.stdout, self._sign, "the monitor's line", bound=5)

    def begin(self) -> None:
        for attempt in range(50):  # the first probes may come before the monitor listens
            self._host.run(self._make)
            self._host.run(self._undo)
            try:
                read_until(self._process.stdout, self._sign, "the monitor to listen", bound=0.1)
                break
            except Exception:
                if attempt == 49:
                    raise
        self._drain()

    def _drain(self) -> None:
        """Reads what the probes still have coming: an `undo` line is the last of each."""
        self._probe()
        with contextlib.suppress(Exception):
            while True:
                read_until(self._process.stdout, b"", "the rest", bound=0.2)

    def end(self) -> list[str]:
        said = self._probe()
        self._process.stop(signal.SIGTERM)
        ours = (self._sign.decode(), "generation")
        return [line for line in said.splitlines() if line and not any(word in line for word in ours)]


def links_have_settled(host: Host) -> bool:
    """The kernel tells of a link's carrier up to a second late: then the lab's own bridge and cables would be heard."""
    links = json.loads(host.output(["ip", "-json", "link"]))
    bridges = {link["master"] for link in links if "master" in link}
    return all(link["operstate"] == "UP" for link in links if link["ifname"] in bridges | {topology.UPLINK})


class Again(Scenario):
    @contextlib.contextmanager
    def silent_monitors(self, host: Host) -> Iterator[None]:
        poll(lambda: links_have_settled(host), "the links to settle")
        monitors = [
            Monitor(host, ["nft", "monitor"], ["nft", "add", "table", "inet", "zz_probe"],
                    ["nft", "delete", "table", "inet", "zz_probe"], "zz_probe"),
            Monitor(host, ["ip", "monitor", "rule", "route", "link", "address", "netconf"],
                    ["ip", "rule", "add", "pref", "31999", "table", "main"],
                    ["ip", "rule", "del", "pref", "31999"], "31999"),
        ]
        for monitor in monitors:
            monitor.begin()
        yield
        for monitor in monitors:
            self.assertEqual(monitor.end(), [], "the monitor saw a change")

    def check(self, host: Host, *enable: str) -> None:
        self.egress(host, *enable)
        with self.silent_monitors(host), self.nothing_changes(host, detail=Detail.COUNTERS):
            again = self.egress(host, *enable)
        self.assert_said(again, "already")

    def test_second_enable_at_home_touches_nothing(self) -> None:
        self.check(self.lab.home, *ENABLE_HOME)

    def test_second_enable_on_the_vps_touches_nothing(self) -> None:
        self.check(self.lab.vps, *ENABLE_VPS)

    def all_closed(self) -> bool:
        """Both ends' last packets have come all the way: nobody waits for one any more."""
        sockets = "".join(host.output(["ss", "-tanH", f"( {side} = :25 )"]) for host, side in
                          ((self.lab.container, "dport"), (self.lab.mx, "sport")))
        return {line.split()[0] for line in sockets.splitlines()} <= {"LISTEN", "TIME-WAIT"}

    def test_counters_survive_a_second_enable(self) -> None:
        self.enable_both()
        self.assert_mail_passes()
        poll(self.all_closed, "the mail's connection to be closed at both ends")
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.COUNTERS):
            self.enable_both()

    def test_status_verify_and_plan_touch_nothing(self) -> None:
        self.enable_both()
        self.assert_mail_passes()
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.HANDLES):
            for host, instance in ((self.lab.home, "mailu-home"), (self.lab.vps, "mailu-vps")):
                for command in ("status", "verify", "plan"):
                    self.egress(host, command, instance)

    def test_plan_changes_nothing_and_says_what_enable_would_do(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            plan = self.egress(self.lab.home, "plan", *ENABLE_HOME[1:], expect=None)
        self.assert_said(plan, "10025", "100", "0x19", "DOCKER-USER", "rp_filter", topology.TUNNEL)


class Undo(Scenario):
    def test_one_round_leaves_nothing(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.CONTENT):
            self.enable_both()
            self.disable_both()
        for host in (self.lab.home, self.lab.vps):
            left = host.run(["find", "/run/smtp-egress", "-type", "f", "-size", "+0"], check=False).stdout
            self.assertNotIn("mailu", left, "state should be gone with the instance")

    def test_ten_rounds_leave_nothing(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.CONTENT):
            for number in range(ROUNDS):
                self.enable_both()
                if number % 2:
                    self.enable_both()
                if number == ROUNDS - 1:
                    self.assert_mail_passes()
                self.disable_both()

    def test_foreign_handles_stay(self) -> None:
        """Docker's rules are not rewritten, only joined and left alone again."""
        with self.nothing_changes(self.lab.home, self.lab.vps, detail=Detail.HANDLES):
            self.enable_both()
            self.disable_both()

    def test_disable_when_not_enabled_changes_nothing(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            self.egress(self.lab.home, "disable", "mailu-home", expect=None)

    def test_a_value_changed_since_is_left_and_told(self) -> None:
        self.enable_home()
        self.lab.home.set_sysctls({"net/ipv4/conf/default/rp_filter": 1})
        said = self.egress(self.lab.home, "disable", "mailu-home", expect=None)
        self.assertEqual(self.lab.home.sysctl("net/ipv4/conf/default/rp_filter"), "1")
        self.assert_said(said, "default", "rp_filter")

    def test_forwarding_of_the_vps_is_put_back(self) -> None:
        self.enable_vps()
        self.assertEqual(self.lab.vps.sysctl("net/ipv4/ip_forward"), "1")
        self.egress(self.lab.vps, "disable", "mailu-vps")
        self.assertEqual(self.lab.vps.sysctl("net/ipv4/ip_forward"), "0")

    def test_disable_leaves_objects_of_the_same_shape_alone(self) -> None:
        """A rule and a route of somebody else that look like ours stay."""
        home = self.lab.home
        home.ip_batch("""
            rule add fwmark 0x19 lookup 100 pref 9000
            route add 192.0.2.128/25 dev eth0 table 100
        """)
        home.run(["iptables", "-A", "DOCKER-USER", "-m", "mark", "--mark", "0x19", "-j", "ACCEPT"])
        with self.nothing_changes(home, detail=Detail.CONTENT):
            done = self.egress(home, *ENABLE_HOME, expect=None)
            if done.returncode == 0:
                self.egress(home, "disable", "mailu-home")


if __name__ == "__main__":
    unittest.main()
