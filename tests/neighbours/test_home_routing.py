#!/usr/bin/python3
"""What the home's owner has set by himself: strict reverse-path filtering, other networks."""

from __future__ import annotations

import unittest

from neighbour import Neighbour, Options, topology


class Strict(Neighbour):
    """Strict reverse-path filtering on every interface, and marks counted in it (src_valid_mark)."""

    options = Options(home_rp_filter=1)

    def begin(self) -> None:
        places = ("all", "default", topology.UPLINK, topology.TUNNEL, topology.BRIDGE)
        self.lab.home.set_sysctls({f"net/ipv4/conf/{place}/{key}": 1 for place in places
                                   for key in ("rp_filter", "src_valid_mark")})

    def check(self, *settings: str) -> None:
        with self.nothing_changes(self.lab.home):
            self.enable_vps()
            self.enable(*settings)
            with self.no_leak(), self.knocking():
                self.assert_kept()
            self.disable_both()

    def test_loosened_everywhere(self) -> None:
        self.check()

    def test_loosened_on_the_tunnel_alone(self) -> None:
        self.check("--set", "rp_filter=tunnel")


class LocalNetworks(Neighbour):
    """A mail server in another network of the home's own."""

    options = Options(ipv6=True)
    LAN, HOME_IN_LAN, SERVER = "lan0", "192.168.50.1", "192.168.50.25"
    HOME_IN_LAN6, SERVER6 = "fd00:50::1", "fd00:50::25"
    BOTH = ("--subnet", topology.CONTAINER_NET, "--subnet", topology.CONTAINER6_NET)

    def begin(self) -> None:
        self.lab.home.ip_batch(f"""
            link add {self.LAN} type veth peer name {self.LAN} netns {self.lab.mx.inner_pid}
            address add {self.HOME_IN_LAN}/24 dev {self.LAN}
            address add {self.HOME_IN_LAN6}/64 dev {self.LAN}
            link set {self.LAN} up
        """)
        self.lab.mx.ip_batch(f"""
            address add {self.SERVER}/24 dev {self.LAN}
            address add {self.SERVER6}/64 dev {self.LAN}
            link set {self.LAN} up
        """)

    def assert_mail_stays_local(self) -> None:
        for server, seen_from in ((self.SERVER, self.HOME_IN_LAN), (self.SERVER6, self.HOME_IN_LAN6)):
            mail = self.lab.container.send_mail(server=server, bound=5)
            self.assertEqual(mail.seen_from, seen_from, f"not delivered to {server} in the home's network: {mail.reason}")

    def test_mail_to_it_stays_local(self) -> None:
        self.assert_mail_stays_local()
        self.enable_vps(*self.BOTH)
        for steering in ("mark", "rule"):
            with self.subTest(steering=steering):
                self.enable_home(*self.BOTH, "--set", f"steering={steering}")
                self.assert_kept()
                self.assert_mail_stays_local()
                self.lab.home.run(["nft", "delete", "table", "inet", "smtp-egress-mailu-home"])
                self.assert_mail_stays_local()  # by the routes alone


if __name__ == "__main__":
    unittest.main()
