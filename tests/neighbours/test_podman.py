#!/usr/bin/python3
"""Rootful Podman with netavark, its iptables driver (bookworm) and its nftables driver (trixie): a real container sends
the mail.
"""

from __future__ import annotations

import unittest

import engine_neighbour
from engine_neighbour import EngineNeighbour
from neighbour import IPV6, topology

from lab.podman import Podman


class PodmanNeighbour(EngineNeighbour):
    suite = "bookworm"
    firewall_driver: str | None = None

    engine: Podman

    def begin(self) -> None:
        self.engine = Podman(self.lab.home, self.lab.mx, self.suite, firewall_driver=self.firewall_driver)
        self.compose_up()

    def check_itself(self) -> None:
        super().check_itself()
        listing = ["nft", "list", "ruleset"] if self.firewall_driver else ["iptables-save"]
        self.assertNotIn("incompatible", self.engine.system.run(listing).stderr)

    def reload(self) -> None:
        self.engine("network", "reload", "--all")

    def restart(self) -> None:
        self.engine("restart", "--time", "0", "front")
        self.lab.container = self.engine.container("front")


class Cases(PodmanNeighbour, engine_neighbour.AnyEngine, engine_neighbour.OtherNetworks):
    def test_a_day(self) -> None:
        self.assert_a_day(self.reload)

    def test_a_large_mail_passes_and_other_traffic_keeps_its_path(self) -> None:
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_mail_passes(10_000_000)
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_a_container_restarted_sends_mail(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.restart()
            self.assert_kept()

    def test_disable_leaves_what_a_busy_day_without_us_would(self) -> None:
        def day() -> None:
            self.engine("network", "reload", "front")
            self.engine.run_container("second", "--ip", "192.168.203.11")
            self.engine.create_network("other", "192.168.204.0/24")
            self.engine.run_container("third", "--publish", "8080:80", network="other")
            self.engine("rm", "--force", "second")
            self.restart()

        self.assert_left_as_without_us(day)


class GenericProfile(PodmanNeighbour):
    """Podman's own choice of a network; the profiles `home` and `vps` are told of it."""

    subnet, address = "10.89.0.0/24", "10.89.0.10"

    def test_mail_passes(self) -> None:
        vps = self.lab.vps_tunnel
        vps.set_allowed_ips(f"{vps.allowed_ips},{self.subnet}")
        self.lab.vps.ip_batch(f"route add {self.subnet} dev {topology.TUNNEL}\n")
        self.egress(self.lab.vps, "enable", "vps", "--subnet", self.subnet, "--public-ip", topology.VPS)
        with self.no_leak():
            self.egress(self.lab.home, "enable", "home", "--subnet", self.subnet, "--tunnel", topology.TUNNEL)
            self.assert_mail_passes()
            self.egress(self.lab.home, "verify", "home")
            self.egress(self.lab.vps, "verify", "vps")


class IptablesDriver(Cases):
    def test_iptables_tells_netavarks_rules_as_before(self) -> None:
        listings = (["iptables", "-S"], ["iptables", "-t", "nat", "-S"])
        before = [self.engine.system.run(words).stdout for words in listings]
        self.enable_both()
        for words, then in zip(listings, before):
            now = self.engine.system.run(words)
            self.assertNotIn("incompatible", now.stderr)
            self.assertEqual([line for line in now.stdout.splitlines() if "0x19" not in line], then.splitlines())


class NftablesDriver(Cases):
    suite, firewall_driver = "trixie", "nftables"

    def test_the_driver_is_the_one_asked_for(self) -> None:
        self.assertIn("table inet netavark", self.lab.home.output(["nft", "list", "ruleset"]))
        self.assertNotIn("NETAVARK", self.lab.home.output(["iptables-save"]))


class DualStack(PodmanNeighbour):
    suite, firewall_driver = NftablesDriver.suite, NftablesDriver.firewall_driver
    family = IPV6

    def test_an_ipv6_day(self) -> None:
        self.assert_a_day(self.reload)


class IptablesDriverSendingAlone(Cases):
    published = ()


class NftablesDriverSendingAlone(Cases):
    suite, firewall_driver = NftablesDriver.suite, NftablesDriver.firewall_driver
    published = ()


del Cases  # unittest would run it as it is

if __name__ == "__main__":
    unittest.main()
