#!/usr/bin/python3
"""Incus with its own firewall (a table of nftables'): the mail stack is an instance behind Incus's bridge."""

from __future__ import annotations

import unittest

from neighbour import Neighbour, Options, topology

from lab import HomeFirewall
from lab.incus import NETWORK, Incus

_ACL = """egress:
- action: allow
  state: enabled
  protocol: tcp
  destination_port: "443"
"""


class IncusAtHome(Neighbour):
    options = Options(home_firewall=HomeFirewall.ENGINE)

    incus: Incus

    def begin(self) -> None:
        self.incus = Incus(self.lab.home, self.lab.container, ipv6=self.family.ipv6)

    def change_the_network(self) -> None:
        """Incus then makes the network's chains anew."""
        self.incus("network", "set", NETWORK, "dns.domain=example.net")

    def check_itself(self) -> None:
        """Another network, with IPv6 of its own too, is listed beside the first, and goes."""
        self.incus("network", "create", "incusbr1", "ipv4.address=192.168.204.1/24", "ipv6.address=fd00:204::1/64")
        self.assertIn("incusbr1", self.incus("network", "list", "--format", "csv"))
        self.incus("network", "show", NETWORK)
        self.incus("network", "delete", "incusbr1")

    def work(self) -> None:
        self.change_the_network()
        self.incus.restart()

    def reject_all_but_https(self) -> None:
        """By an access list of Incus's: its chain then ends with a rejection."""
        self.incus("network", "acl", "create", "careful", input=_ACL)
        self.incus("network", "set", NETWORK, "security.acls=careful")

    def test_a_day(self) -> None:
        self.assert_a_day(self.work)

    def test_other_traffic_keeps_its_way(self) -> None:
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_mail_passes(10_000_000)
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_a_probe_speaks_as_the_instance(self) -> None:
        self.assert_a_probe_speaks_as(topology.CONTAINER)

    def test_another_network_takes_nothing(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.incus("network", "create", "incusbr1", "ipv4.address=192.168.204.1/24", "ipv6.address=none")
            self.incus.restart()
            self.assert_kept()

    def test_mail_passes_an_access_list_and_nothing_else_joins(self) -> None:
        self.reject_all_but_https()
        self.assertIsNone(self.lab.container.seen_as(topology.MX, 587, bound=1))
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_kept()
        self.assertIsNone(self.lab.container.seen_as(topology.MX, 587, bound=1))
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_an_access_list_that_comes_later_is_told_and_mended(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.reject_all_but_https()
            self.assert_told_and_mended("inet incus")
            self.change_the_network()
            self.assert_told_and_mended("admission", "inet incus")

    def test_disable_leaves_an_access_list_as_without_us(self) -> None:
        self.assert_left_as_without_us(self.change_the_network, prepare=self.reject_all_but_https)


if __name__ == "__main__":
    unittest.main()
