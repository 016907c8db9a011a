#!/usr/bin/python3
"""Docker's other backends: nftables (29.x), whose tables nobody else may write into, and iptables-legacy, whose rules
no netlink batch can reach. The mail passes either all the same, and nothing of Docker's is written into.
"""

from __future__ import annotations

import unittest

import docker_backend
import engine_neighbour

from lab.engine import Container
from lab.firewall import DOCKER_NFTABLES_TABLES, load_docker_nftables


class Nftables(docker_backend.Backend):
    daemon_options = ("--iptables=false", "--ip6tables=false")  # networks and containers; the rules are loaded below

    def compose_up(self) -> Container:
        front = super().compose_up()
        load_docker_nftables(self.lab.home, self.bridge)
        return front

    def restart_daemon(self) -> None:
        """As dockerd 29 does, the tables are made anew."""
        super().restart_daemon()
        load_docker_nftables(self.lab.home, self.bridge)

    def dockers_rules(self) -> str:
        return "".join(self.lab.home.output(["nft", "-s", "list", "table", *table.split()]) for table in DOCKER_NFTABLES_TABLES)


class Legacy(docker_backend.Backend, engine_neighbour.OtherNetworks):
    alternative = "iptables-legacy"

    def dockers_rules(self) -> str:
        return self.dockers_iptables()


if __name__ == "__main__":
    unittest.main()
