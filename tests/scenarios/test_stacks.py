#!/usr/bin/python3
"""Every pair of profiles that is shipped, as the README has it, at a home of its mail stack's shape.

Each: blocked before; enabled from the two profiles, mail comes from the VPS's address and no packet to tcp/25 passes
the home line; nothing else is rerouted; exact undo.
"""

from __future__ import annotations

import ipaddress
import json
import os
import unittest
from pathlib import Path

from host_process import AS_MOX, HostProcess
from scenario import HomeFirewall, Options, Scenario, topology as at

from lab import Stack

PROFILES = Path(os.environ["SMTP_EGRESS_PROFILE_DIR"])

# The homes, by the profiles' name without its -home or -vps. Addresses and bridges are the stacks' own, not taken from
# the profiles: a profile that names another network delivers no mail here.
DOCKERS_BRIDGE = "br-8d03fe51b7c6"
HOMES = {
    "": Options(Stack(DOCKERS_BRIDGE, "172.18.0.0/16", "172.18.0.1", "172.18.4.7")),  # as compose chooses a network
    "docker-mailserver": Options(Stack(DOCKERS_BRIDGE, "172.16.42.0/24", "172.16.42.1", "172.16.42.3")),
    "mailcow": Options(Stack("br-mailcow", "172.22.1.0/24", "172.22.1.1", "172.22.1.253",
                             network6="fd4d:6169:6c63:6f77::/64", gateway6="fd4d:6169:6c63:6f77::1",
                             address6="fd4d:6169:6c63:6f77::25"), ipv6=True),
    "mailcow-incus": Options(Stack("incusbr0", "10.10.10.0/24", "10.10.10.1", "10.10.10.214", sender_alone=True),
                             home_firewall=HomeFirewall.NONE),
    "mailu": Options(),
    "mox": Options(ipv6=True),  # a process of the host itself; the container is there, and is not it
}
NEIGHBOUR = "10.10.10.215"  # of the Incus VM, on the same bridge


def sources(profile: str) -> list[str]:
    """A shipped profile's; empty where they are left to --subnet."""
    return [str(source) for source in json.loads((PROFILES / f"{profile}.json").read_text())["sources"]]


def halves(side: str) -> list[str]:
    """What the shipped profiles of a side are called without that side."""
    return sorted(path.stem.removesuffix(side).removesuffix("-") for path in PROFILES.glob(f"*{side}.json"))


def home_of(pair: str) -> Options:
    """A pair that HOMES does not know gets a Docker network of the profile's own."""
    if pair in HOMES:
        return HOMES[pair]
    network = ipaddress.ip_network(sources(f"{pair}-home")[0])
    return Options(Stack(DOCKERS_BRIDGE, str(network), str(network[1]), str(network[10])))


class Pair(Scenario):
    """One pair, in the lab that home_of() says; what is derived from it names the pair."""

    pair: str

    def setUp(self) -> None:
        self.options = home_of(self.pair)
        if self.options.ipv6:
            self.servers = (at.MX, at.MX6)
        super().setUp()
        self.home_profile, self.vps_profile = ("-".join(filter(None, (self.pair, side))) for side in ("home", "vps"))
        self.network = () if sources(self.home_profile) else ("--subnet", self.options.stack.source)

    def enable_pair(self) -> None:
        self.egress(self.lab.vps, "enable", self.vps_profile, *self.network)
        self.egress(self.lab.home, "enable", self.home_profile, *self.network)

    def disable_pair(self) -> None:
        self.egress(self.lab.home, "disable", self.home_profile)
        self.egress(self.lab.vps, "disable", self.vps_profile)

    def test_its_mail_leaves_by_the_vps_and_nothing_stays_behind(self) -> None:
        before = self.lab.isp_leak_count()
        self.assertFalse(self.try_mail().delivered)
        self.assertGreater(self.lab.isp_leak_count(), before, "the ISP's block should have been met")
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_pair()
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                for command in ("verify", "status"):
                    self.egress(self.lab.vps, command)
                    self.egress(self.lab.home, command)
            self.disable_pair()

    def test_nothing_else_is_rerouted(self) -> None:
        self.enable_pair()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
            if self.options.ipv6:
                self.assertEqual(self.lab.container.seen_as(at.MX6, 443), at.HOME6)
        self.assertEqual(inside.packets, [], "nothing of that belongs in the tunnel")


class IncusVm(Pair):
    """The VM alone is the source: what else is on its bridge is no business of ours."""

    pair = "mailcow-incus"

    def test_mail_of_another_machine_on_the_bridge_goes_as_without_us(self) -> None:
        neighbour = self.lab.plug_in("neighbour", NEIGHBOUR)
        self.enable_pair()
        before = self.lab.isp_leak_count()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp port 25") as inside:
            self.assertFalse(neighbour.send_mail(bound=2).delivered)
        self.assertEqual(inside.packets, [])
        self.assertGreater(self.lab.isp_leak_count(), before, "the ISP should have blocked it")
        self.assert_mail_passes()


class MoxOnTheHost(HostProcess, Pair):
    """No container: a process of the home host, as its own user. test_host_process.py has the rest."""

    pair = "mox"

    def test_nothing_else_is_rerouted(self) -> None:
        super().test_nothing_else_is_rerouted()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            for server, home in ((at.MX, at.HOME), (at.MX6, at.HOME6)):
                self.assertEqual(self.seen_as(server, 443, AS_MOX), home)
        self.assertEqual(inside.packets, [], "only his mail belongs in the tunnel")


class Shipped(unittest.TestCase):
    def test_each_side_has_its_other(self) -> None:
        self.assertEqual(halves("home"), halves("vps"))

    def test_each_home_has_its_profiles(self) -> None:
        self.assertLessEqual(set(HOMES), set(halves("home")))


def load_tests(loader: unittest.TestLoader, _found: unittest.TestSuite, _pattern: str | None) -> unittest.TestSuite:
    """A class of tests for each pair there is."""
    cases: list[type[unittest.TestCase]] = [Shipped, IncusVm, MoxOnTheHost]
    for pair in halves("home"):
        if pair not in (IncusVm.pair, MoxOnTheHost.pair):
            cases.append(type(f"Pair_{pair or 'generic'}", (Pair,), {"pair": pair}))
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main()
