#!/usr/bin/python3
"""Rootful Podman with netavark, its iptables driver (bookworm) and its nftables driver (trixie): a real container sends
the mail.
"""

from __future__ import annotations

import unittest

from neighbour import topology
from podman_host import PodmanNeighbour


class Cases(PodmanNeighbour):
    def test_mail_passes_and_other_traffic_keeps_its_path(self) -> None:
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_mail_passes(10_000_000)
            self.assert_kept()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_network_reload_takes_nothing(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.podman("network", "reload", "front")
            self.assert_kept()
            self.podman("network", "reload", "--all")
            self.assert_kept()

    def test_a_container_restarted_sends_mail(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.restart()
            self.assert_kept()

    def test_a_new_container_sends_mail_too(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            second = self.run_container("second", "--ip", "192.168.203.11")
            self.assert_seen_from_vps(second.send_mail())
            self.assert_kept()

    def test_another_network_keeps_its_ways(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.podman("network", "create", "--subnet", "192.168.204.0/24", "other")
            other = self.run_container("other", "--publish", "8080:80", network="other")
            self.assertEqual(other.seen_as(topology.MX, 443), topology.HOME)
            self.assert_kept()

    def test_compose_down_and_up(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.compose_down()
            self.compose_up()
            self.assert_mail_passes()
            self.enable()
            self.assert_kept()

    def test_disable_leaves_what_a_day_without_us_would(self) -> None:
        def before() -> None:
            if self.lab.home.run(["ip", "link", "show", "podman1"], check=False).returncode != 0:
                self.install()
                self.compose_up()

        def day() -> None:
            self.podman("network", "reload", "front")
            self.run_container("second", "--ip", "192.168.203.11")
            self.podman("network", "create", "--subnet", "192.168.204.0/24", "other")
            self.run_container("third", "--publish", "8080:80", network="other")
            self.podman("rm", "--force", "--time", "0", "second")
            self.restart()

        self.assert_left_as_without_us(before, day)


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
        before = [self.chroot.run(words).stdout for words in listings]
        self.enable_both()
        for words, then in zip(listings, before):
            now = self.chroot.run(words)
            self.assertNotIn("incompatible", now.stderr)
            self.assertEqual([line for line in now.stdout.splitlines() if "0x19" not in line], then.splitlines())


class NftablesDriver(Cases):
    suite = "trixie"
    settings = PodmanNeighbour.settings + 'firewall_driver = "nftables"\n'

    def test_the_driver_is_the_one_asked_for(self) -> None:
        self.assertIn("table inet netavark", self.lab.home.output(["nft", "list", "ruleset"]))
        self.assertNotIn("NETAVARK", self.lab.home.run(["iptables-save"]).stdout)


class IptablesDriverSendingAlone(Cases):
    published = ()


class NftablesDriverSendingAlone(Cases):
    suite, settings = NftablesDriver.suite, NftablesDriver.settings
    published = ()


del Cases  # unittest would run it as it is

if __name__ == "__main__":
    unittest.main()
