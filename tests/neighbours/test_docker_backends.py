#!/usr/bin/python3
"""Docker's other backends: nftables (29.x), whose tables nobody else may write into, and iptables-legacy, whose rules
no netlink batch can reach. The mail passes either all the same, and nothing of Docker's is written into.
"""

from __future__ import annotations

import unittest
from pathlib import Path

import docker_backend
import engine_neighbour
from neighbour import topology

from lab.engine import Container

_NFTABLES_RULES = Path(__file__).resolve().parents[1] / "lab/data/docker-nftables.nft"
_TABLES = (("ip", "docker-bridges"), ("ip6", "docker-bridges"))


class Nftables(docker_backend.Backend):
    daemon_options = ("--iptables=false", "--ip6tables=false")  # networks and containers; the rules are loaded below

    def load_rules(self) -> None:
        text = _NFTABLES_RULES.read_text()
        for name, value in (("@BRIDGE@", self.bridge), ("@NET@", topology.CONTAINER_NET),
                            ("@CONTAINER@", topology.CONTAINER)):
            text = text.replace(name, value)
        fresh = "".join(f"table {family} {name}\ndelete table {family} {name}\n" for family, name in _TABLES)
        self.lab.home.run(["nft", "-f", "-"], input=fresh + text)

    def compose_up(self) -> Container:
        front = super().compose_up()
        self.load_rules()
        return front

    def restart_daemon(self) -> None:
        """As dockerd 29 does, the tables are made anew."""
        super().restart_daemon()
        self.load_rules()

    def dockers_rules(self) -> str:
        return "".join(self.lab.home.output(["nft", "-s", "list", "table", *table]) for table in _TABLES)


class Legacy(docker_backend.Backend, engine_neighbour.OtherNetworks):
    alternative = "iptables-legacy"

    def dockers_rules(self) -> str:
        return self.dockers_iptables()


if __name__ == "__main__":
    unittest.main()
