"""What the tests beside real neighbours share. A neighbour is another program that has rules or routes on the host; its
own Debian packages run in a chroot inside the lab's host (lab/chroot.py).

Each test follows a person's day: the neighbour is there, smtp-egress is enabled, the neighbour works on. One such day in
short is each file's `test_a_day`, which ctest runs, and matrix.py for each family and profile; the whole is for
tests/neighbours/run.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Callable, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenarios"))

from scenario import (  # noqa: E402
    DONE, ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, Completed, Host, MailResult, Options, Process, Scenario,
    topology,
)
from lab import poll  # noqa: E402
from day import LEAKED, OPENED, Day, WithoutUs  # noqa: E402
from family import FAMILIES, IPV4, IPV6, Family  # noqa: E402
from ways_in import ways_in  # noqa: E402

__all__ = ["Completed", "DONE", "FAMILIES", "Family", "Host", "IPV6", "NOT_AS_IT_SHOULD_BE", "Neighbour", "Options",
           "Process", "WithoutUs", "rules_of", "topology", "without_counters"]

_SAVE = "for family in iptables ip6tables; do echo \"== $family\"; $family-save; done; nft -s list ruleset"
_NOT_RULES = re.compile(r"^#.*\n| \[\d+:\d+\]$", re.MULTILINE)  # iptables-save's remarks have the time in them
_BY_LOT = re.compile(r"^.*\bfe80::[0-9a-f].*\n", re.MULTILINE)  # what an interface's random hardware address is in


def without_counters(saved: str) -> str:
    """What iptables-save told, without what changes by itself."""
    return _NOT_RULES.sub("", saved)


def rules_of(host: Host) -> str:
    """All firewall rules, as iptables and as nft tell them, without counters."""
    return without_counters(host.output(["bash", "-c", _SAVE]))


def _nothing() -> None:
    pass


def _named(networks: Sequence[str]) -> list[str]:
    return [word for network in networks for word in ("--subnet", network)]


class Neighbour(Scenario):
    """`side` names the host that the neighbour is on: home or vps."""

    side = "home"
    family = IPV4  # of the mail; with IPv6 the lab and the profile have both
    steering, nat, inbound = "mark", "preserve", "any"
    home_settings: tuple[str, ...] = ()  # further words of enable
    vps_settings: tuple[str, ...] = ()
    day = Day()  # what the last one showed
    without_us: WithoutUs | None = None  # what is known of it already

    def setUp(self) -> None:
        self.options = dataclasses.replace(self.options, ipv6=self.options.ipv6 or self.family.ipv6)
        self.servers = tuple(dict.fromkeys((topology.MX, self.family.mx)))
        super().setUp()
        self.begin()

    def begin(self) -> None:
        """The neighbour comes to a new lab. Called again for each further lab of a test."""

    @property
    def host(self) -> Host:
        return self.lab.home if self.side == "home" else self.lab.vps

    @property
    def instance(self) -> str:
        return f"mailu-{self.side}"

    def _sources_at(self, side: str) -> list[str]:
        """What enable has to be told of them there, if they are not the shipped profile's own."""
        if side == "vps" and self.nat == "masquerade":
            return _named(self.family.tunnel_addresses)
        return _named(self.family.container_nets) if self.family.ipv6 else []

    def enable_home(self, *further: str) -> Completed:
        ways = [word for key, way, default in (("steering", self.steering, "mark"), ("nat", self.nat, "preserve"),
                                                       ("inbound", self.inbound, "any"))
                if way != default for word in ("--set", f"{key}={way}")]
        return self.egress(self.lab.home, *ENABLE_HOME, *self._sources_at("home"), *ways, *self.home_settings, *further)

    def enable_vps(self, *further: str) -> Completed:
        return self.egress(self.lab.vps, *ENABLE_VPS, *self._sources_at("vps"), *self.vps_settings, *further)

    def enable(self, *further: str) -> Completed:
        """The neighbour's own side."""
        return self.enable_home(*further) if self.side == "home" else self.enable_vps(*further)

    def assert_seen_from_vps(self, result: MailResult) -> None:
        self.assertTrue(result.delivered, f"the mail did not arrive: {result.reason}\n{result.transcript[-1500:]}")
        self.assertEqual(result.seen_from, self.family.vps)

    def assert_mail_passes(self, size: int = 2_000) -> None:
        self.assert_seen_from_vps(self.lab.container.send_mail(size, server=self.family.mx))

    def try_mail(self) -> MailResult:
        return self.lab.container.send_mail(server=self.family.mx, bound=2)

    def check_itself(self) -> None:
        """The neighbour's own commands: it lists its rules, it makes something new. What it complains of fails."""

    def failed_checks(self) -> dict[str, str]:
        """What verify finds wrong on the neighbour's host: detail and mend, by the check's id."""
        document = self.json_of(self.host, "verify", self.instance, expect=None)
        return {check["id"]: f"{check['detail']} | {check['mend']}" for check in document["checks"]
                if check["outcome"] == "failed"}

    def assert_kept(self) -> None:
        """Nothing was lost: mail passes, and status and verify have nothing to tell."""
        self.assert_mail_passes()
        self.assertEqual(self.failed_checks(), {}, "mail passes, and verify says otherwise")
        self.egress(self.host, "status", self.instance)

    def assert_a_probe_speaks_as(self, address: str) -> None:
        """verify --probe enters the network namespace that this neighbour made, and the server sees the VPS."""
        self.enable_both()
        self.lab.mx.speak("tell")
        with self.no_leak():
            checks = self.json_of(self.lab.home, "verify", "mailu-home", "--probe", self.family.mx)["checks"]
        told = {check["id"]: check for check in checks}
        self.assertIn(f"{address}, from its network namespace", told["probe"]["title"])
        self.assertEqual({told[kind]["outcome"] for kind in ("probe", "probe-mtu", "probe-seen-as", "probe-leak")},
                         {"passed"})

    def assert_told(self, *words: str) -> None:
        """No mail passes, status or verify fails, and what they say has these words in it."""
        self.assertFalse(self.try_mail().delivered, "the mail should be held back here; else this proves nothing")
        told = [self.egress(self.host, command, self.instance, expect=None) for command in ("status", "verify")]
        self.assertIn(NOT_AS_IT_SHOULD_BE, [done.returncode for done in told],
                      f"no mail passes, and neither status nor verify says so:\n{told[0].stdout}\n{told[1].stdout}")
        said = "\n".join(done.stdout for done in told if done.returncode != DONE)
        for word in words:
            self.assertIn(word, said)

    def assert_told_and_mended(self, *words: str) -> None:
        self.assert_told(*words)
        self.enable()
        self.assert_kept()

    def all_of(self, host: Host) -> str:
        """Firewall, policy rules, routes and sysctls."""
        return _BY_LOT.sub("", rules_of(host) + self.lab.snapshot(host))

    def assert_left_as_without_us(self, work: Callable[[], object], *, prepare: Callable[[], object] = _nothing) -> None:
        """The same steps in two labs, one of them without smtp-egress: the neighbour's host ends the same."""
        prepare()
        self.enable_both()
        work()
        self.disable_both()
        with_us = self.all_of(self.host)
        self.assert_same(self._left_without_us(work, prepare), with_us)

    def _left_without_us(self, work: Callable[[], object], prepare: Callable[[], object]) -> str:
        self.lab.close()
        self.raise_lab(self.options)
        self.begin()
        prepare()
        work()
        return self.all_of(self.host)

    def _spend_without_us(self, work: Callable[[], object], prepare: Callable[[], object]) -> WithoutUs:
        """In a new lab, which the test can use for nothing else after it."""
        left = self._left_without_us(work, prepare)
        before = self.lab.isp_leak_count()
        self.servers = (self.family.mx,)
        self.knock()
        poll(lambda: self.lab.home.reaches(self.family.home_router), "the ISP to answer, behind what it got before")
        return WithoutUs(left, self.lab.isp_leak_count() > before, ways_in(self.lab, self.family))

    def assert_a_day(self, work: Callable[[], object], *, prepare: Callable[[], object] = _nothing,
                     taken: Sequence[str] = ()) -> None:
        """Enabled beside the neighbour, which then works on. Mail goes on; or where the neighbour takes something away,
        that is told in the words `taken`, and mended. In the end the neighbour is left as without us.
        """
        def busy() -> None:
            work()
            self.check_itself()

        self.day = day = Day()
        with day.part("not enabled"):
            prepare()
            self.enable_both()
        left = self._spend(day, busy, taken) if not day.astray else None
        with day.part("not undone"):
            self.without_us = self.without_us or self._spend_without_us(busy, prepare)
            if left is not None:
                self.assert_same(self.without_us.left, left)
        with day.part(OPENED):
            opened = set(day.ways_in) - set(self.without_us.ways_in if self.without_us else ())
            self.assertEqual(opened, set(), "an unpublished port can be reached from the VPS: source port/packet")
            if self.inbound == "published":
                self.assertEqual(day.ways_in, (), "what is not published can be reached from the VPS")
        if day.astray:
            self.fail(day.reasons())

    def _spend(self, day: Day, work: Callable[[], object], taken: Sequence[str]) -> str | None:
        """Between enable and disable; the neighbour's host after that."""
        before = self.lab.isp_leak_count()
        self._judge_mail(day)
        with day.part(LEAKED), self.no_leak(), self.knocking():
            with day.part("own failed"):
                work()
            if taken:
                with day.part("not told"):
                    self.assert_told(*taken)
                with day.part("not mended"):
                    self.enable()
            self._judge_mail(day)
        with day.part("ways in not seen"):
            day.ways_in = ways_in(self.lab, self.family)
        day.leaked = self.lab.isp_leak_count() - before
        with day.part("not undone"):
            self.disable_both()
            return self.all_of(self.host)
        return None

    def _judge_mail(self, day: Day) -> None:
        """Does it pass, and do verify and status say the same?"""
        passes = False
        with day.part("no mail"):
            self.assert_mail_passes()
            passes = True
        with day.part("verify wrong" if passes else "untold"):
            failed = self.failed_checks()
            if passes:
                self.assertEqual(failed, {}, "mail passes, and verify says otherwise")
                self.egress(self.host, "status", self.instance)
            else:
                self.assertNotEqual(failed, {}, "no mail passes, and verify on that host has nothing to tell")
