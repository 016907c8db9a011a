#!/usr/bin/python3
"""Docker's other backends: nftables (29.x), whose tables nobody else may write into, and iptables-legacy, whose rules
no netlink batch can reach. The mail passes either all the same, and nothing of Docker's is written into.
"""

from __future__ import annotations

import unittest

import closed_ports
import engine_neighbour
from neighbour import topology

from lab.engine import Container
from lab.firewall import DOCKER_NFTABLES_TABLES, load_docker_nftables


class Backend(closed_ports.ClosedPorts, engine_neighbour.AnyEngine):
    """What must hold with any: the mail passes, and nothing of Docker's is written into."""

    def dockers_rules(self) -> str:
        raise NotImplementedError

    def test_mail_passes_and_dockers_rules_are_left_alone(self) -> None:
        before = self.dockers_rules()
        self.enable_both()
        self.assert_same(before, self.dockers_rules())
        with self.no_leak():
            self.assert_kept()
        self.disable_both()
        self.assert_same(before, self.dockers_rules())

    def test_mail_passes_as_the_tunnels_address(self) -> None:
        """The VPS knows nothing but the tunnel's address then."""
        before = self.dockers_rules()
        address = f"{topology.HOME_TUNNEL}/32"
        self.lab.vps_tunnel.set_allowed_ips(address)
        self.enable_vps("--subnet", address)
        self.enable("--set", "nat=masquerade")
        self.assert_same(before, self.dockers_rules())
        with self.no_leak():
            self.assert_kept()

    def test_a_day(self) -> None:
        self.assert_a_day(self.restart_daemon)


class Nftables(Backend):
    daemon_options = ("--iptables=false", "--ip6tables=false")  # networks and containers; the rules are loaded below

    def compose_up(self) -> Container:
        front = super().compose_up()
        self.load_rules()
        return front

    def load_rules(self) -> None:
        load_docker_nftables(self.lab.home, self.bridge, ipv6=self.family.ipv6)

    def restart_daemon(self) -> None:
        """As dockerd 29 does, the tables are made anew."""
        super().restart_daemon()
        self.load_rules()

    def dockers_rules(self) -> str:
        listings = (["nft", "-s", "list", "table", *table.split()] for table in DOCKER_NFTABLES_TABLES)
        return "".join(self.lab.home.output(words) for words in listings)


class Legacy(Backend, engine_neighbour.OtherNetworks):
    alternative = "iptables-legacy"

    def dockers_rules(self) -> str:
        return self.dockers_iptables()


del Backend  # unittest would run it as it is

if __name__ == "__main__":
    unittest.main()
