#!/usr/bin/python3
"""systemd-networkd at home: at each start it removes policy rules and routes of others, unless it is told not to."""

from __future__ import annotations

import unittest

from neighbour import Neighbour, Process, topology
from lab import poll
from lab.chroot import Chroot
from lab.waiting import read_until
from scenario import ROOT

_DROP_IN = ROOT / "packaging/networkd/50-smtp-egress.conf"
_UPLINK = f"""[Match]
Name={topology.UPLINK}
[Network]
Address={topology.HOME}/24
Gateway={topology.HOME_ROUTER}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
_IPV6 = {
    topology.UPLINK: f"Address={topology.HOME6}/64\nGateway={topology.HOME6_ROUTER}\n",
    topology.TUNNEL: f"Address={topology.HOME6_TUNNEL}/64\n",
}
_TUNNEL = f"""[Match]
Name={topology.TUNNEL}
[Network]
Address={topology.HOME_TUNNEL}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
# What there is no udev for: networkd waits for its word that an interface is ready.
_UDEV_DATA = """
mkdir -p /run/udev/data
for i in /sys/class/net/*/ifindex; do echo I:1 >"/run/udev/data/n$(cat "$i")"; done
"""
_RUNTIME = "mkdir -p /run/systemd/netif/{links,leases,lldp}; chown -R systemd-network: /run/systemd/netif"
_TABLE, _PRIORITY = 100, 10025
_RULES = {f"{_PRIORITY}: from all fwmark 0x19 lookup {_TABLE} proto 25",
          f"{_PRIORITY}: from {topology.CONTAINER_NET} ipproto tcp dport 25 lookup {_TABLE} proto 25"}
_UNBOUND_ROUTES = {f"unreachable default table {_TABLE} metric 4294967295 proto 25",
                   *(f"throw {private} table {_TABLE} proto 25"
                     for private in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"))}
_TUNNEL_ROUTE = f"default dev {topology.TUNNEL} table {_TABLE} proto 25"


class Networkd(Neighbour):
    networks = {topology.UPLINK: _UPLINK}
    chroot: Chroot
    daemon: Process

    def install(self, *, drop_in: bool) -> None:
        self.chroot = Chroot(self.lab.home, "bookworm")
        for name, text in self.networks.items():
            of_ipv6 = _IPV6[name] if self.family.ipv6 else ""
            self.chroot.path(f"/etc/systemd/network/10-{name}.network").write_text(text + of_ipv6)
        if drop_in:
            folder = self.chroot.path("/etc/systemd/networkd.conf.d")
            folder.mkdir()
            (folder / _DROP_IN.name).write_text(_DROP_IN.read_text())
        self.lab.home.run(["bash", "-c", _UDEV_DATA])
        self.chroot.run(["bash", "-c", _RUNTIME])
        self.start()

    def start(self) -> None:
        """Returns when networkd is done with its interfaces."""
        indexes = [self.lab.home.output(["cat", f"/sys/class/net/{name}/ifindex"]).strip() for name in self.networks]
        reports = [self.lab.home.path(f"/run/systemd/netif/links/{index}") for index in indexes]
        for report in reports:
            report.unlink(missing_ok=True)  # of its last run
        self.daemon = self.chroot.start(["/lib/systemd/systemd-networkd"], env={"SYSTEMD_LOG_LEVEL": "err"})
        for report in reports:
            poll(lambda: report.exists() and "ADMIN_STATE=configured" in report.read_text(), f"networkd's {report.name}")
        self.lab.wait_for_tunnel()

    def restart(self) -> None:
        self.daemon.stop()
        self.start()

    def lost(self) -> set[str]:
        document = self.json_of(self.lab.home, "status", "mailu-home", expect=None)
        return {item["object"] for item in document["objects"] if item["state"] != "present"}


class Cases(Networkd):
    taken: set[str] = _RULES | _UNBOUND_ROUTES

    def test_what_a_restart_takes_is_told_and_mended(self) -> None:
        self.install(drop_in=False)
        self.enable_both()
        self.assert_kept()
        with self.no_leak(), self.knocking():
            self.restart()
            self.assert_told("missing", "policy rule")
            self.assertEqual(self.lost(), self.taken)
            mended = self.json_of(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL)
            self.assertEqual({change["object"] for change in mended["changes"]}, self.taken)
            self.assert_kept()

    def test_one_that_comes_later_takes_the_same(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.install(drop_in=False)
            self.assertEqual(self.lost(), self.taken)
            self.assert_told_and_mended("missing", "policy rule")

    def test_a_day(self) -> None:
        self.assert_a_day(self.restart, prepare=lambda: self.install(drop_in=False), taken=("missing", "policy rule"))

    def test_disable_leaves_with_the_drop_in_what_a_restart_without_us_would(self) -> None:
        self.assert_left_as_without_us(self.restart, prepare=lambda: self.install(drop_in=True))


class Uplink(Cases):
    def test_with_the_drop_in_nothing_is_lost(self) -> None:
        self.install(drop_in=True)
        self.enable_both()
        with self.no_leak(), self.knocking(), self.nothing_changes(self.lab.home):
            self.restart()
            self.assertEqual(self.lost(), set())
            self.assert_kept()


# Opens a connection to tcp/25 and keeps it.
_HOLD = """
import socket, sys
held = socket.create_connection((sys.argv[1], 25))
print(held.recv(100), flush=True)
held.recv(100)
"""


class UplinkAndTunnel(Cases):
    """It then removes the tunnel's own routes of others as well."""

    networks = {topology.UPLINK: _UPLINK, topology.TUNNEL: _TUNNEL}
    taken = _RULES | _UNBOUND_ROUTES | {_TUNNEL_ROUTE}

    def test_with_the_drop_in_the_tunnels_route_alone_is_lost(self) -> None:
        """networkd removes the tunnel's address and sets it again, and with it the kernel drops the routes there."""
        self.install(drop_in=True)
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.restart()
            self.assertEqual(self.lost(), {_TUNNEL_ROUTE})
            self.assert_told_and_mended("missing", _TUNNEL_ROUTE)

    def test_masqueraded_connections_that_are_forgotten_leak_nothing(self) -> None:
        """With the tunnel's address the kernel forgets what it masqueraded as that: what still comes for it is answered
        by home itself."""
        self.nat = "masquerade"
        self.install(drop_in=False)
        self.enable_both()
        client = self.lab.container.start(["/usr/bin/python3", "-c", _HOLD, topology.MX])
        read_until(client.stdout, b"220", "the MX's greeting")
        self.restart()
        self.enable()
        coming = self.lab.capture(self.lab.home, topology.TUNNEL, f"src host {topology.MX} and tcp src port 25")
        with self.no_leak(), coming:
            self.lab.mx.stop_server()
            self.lab.home.reaches(topology.VPS_TUNNEL)  # what was sent before it has come when this is answered
        self.assertGreater(coming.count, 0, "nothing came for the connection: this proves nothing")

    def test_with_the_tunnels_configuration_kept_nothing_is_lost(self) -> None:
        self.networks = {**self.networks, topology.TUNNEL: f"{_TUNNEL}KeepConfiguration=static\n"}
        self.install(drop_in=True)
        self.enable_both()
        with self.no_leak(), self.knocking(), self.nothing_changes(self.lab.home):
            self.restart()
            self.assert_kept()


del Networkd, Cases  # unittest would run them as they are

if __name__ == "__main__":
    unittest.main()
