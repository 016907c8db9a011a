#!/usr/bin/python3
"""Debian's dockerd with its iptables backend: starts, restarts, networks and containers that come and go."""

from __future__ import annotations

import unittest

from docker_host import DockerNeighbour
from neighbour import topology

from lab.docker import Docker

OTHER_NET = "192.168.77.0/24"
UNPUBLISHED = 8025

_LISTEN = f"""
import socket
with socket.create_server(("", {UNPUBLISHED})) as server:
    print("listening", flush=True)
    while True:
        server.accept()[0].close()
"""

# One tcp segment from port 25 with nothing but ACK, as a reply has: what only the connection's state can tell apart.
_SEND_ACK = """
import socket, struct, sys
source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
segment = struct.pack("!HHIIBBHHH", 25, port, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(segment))
total = sum(struct.unpack(f"!{(len(pseudo) + len(segment)) // 2}H", pseudo + segment))
total = (total & 0xffff) + (total >> 16)
check = ~((total & 0xffff) + (total >> 16)) & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.sendto(segment[:16] + struct.pack("!H", check) + segment[18:], (target, 0))
"""

_CONNECT_FROM = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1, ("", int(sys.argv[3]))):
        print("connected")
except OSError as error:
    print(error)
"""


class AtWork(DockerNeighbour):
    """What Docker does while smtp-egress is enabled."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def test_mail_passes(self) -> None:
        with self.rules_listed():
            self.assert_kept()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_the_daemon_restarts_with_its_containers(self) -> None:
        with self.rules_listed():
            self.restart_docker()
            self.assert_kept()

    def test_a_new_container_sends_mail_too(self) -> None:
        with self.rules_listed():
            second = self.docker.run_container("rspamd")
            self.assert_seen_from_vps(second.send_mail())
            self.docker("restart", "--timeout", "0", "rspamd")
            self.assert_seen_from_vps(self.docker.container("rspamd").send_mail())
            self.docker("rm", "--force", "rspamd")
            self.assert_kept()

    def test_another_network_keeps_its_ways(self) -> None:
        with self.rules_listed():
            self.docker.create_network("blog_default", OTHER_NET)
            other = self.docker.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.assertEqual(other.seen_as(topology.MX, 443), topology.HOME)
            self.assert_kept()
            self.docker("rm", "--force", "blog")
            self.docker("network", "rm", "blog_default")
            self.assert_kept()

    def test_compose_down_and_up(self) -> None:
        """The network comes back with a bridge of another name."""
        former = self.bridge
        with self.rules_listed():
            self.compose_down()
            self.compose_up()
            self.assertNotEqual(self.bridge, former)
            self.assert_mail_passes()
            self.enable()
            self.assert_kept()

    def test_compose_down_and_up_is_told_and_mended(self) -> None:
        """What was made for the former bridge is missing for the new one: told, and the rest is not made anew."""
        self.compose_down()
        self.compose_up()
        told = self.json_of(self.lab.home, "status", "mailu-home", expect=1)
        astray = [item["object"] for item in told["objects"] if item["state"] not in ("present", "waiting")]
        self.assertTrue(astray)
        mended = self.json_of(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL)
        self.assertLessEqual(len(mended["changes"]), len(astray) + 1, f"{mended['changes']}\nmissing: {astray}")
        self.assert_kept()

    def test_forwarding_stays_on_while_docker_is_there(self) -> None:
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


class LiveRestore(DockerNeighbour):
    daemon_options = ("--live-restore",)

    def test_the_daemon_restarts_beside_its_containers(self) -> None:
        """The container never stops opening connections: none of them leaves by the uplink."""
        self.enable_both()
        running = self.lab.container.inner_pid
        with self.rules_listed(), self.knocking():
            self.restart_docker()
        self.assertEqual(self.lab.container.inner_pid, running)
        self.assert_kept()


class Undone(DockerNeighbour):
    """After disable, Docker's rules are as they would be, had smtp-egress never been there."""

    def test_after_a_mail(self) -> None:
        self.assert_docker_left_as_without_us(lambda: self.lab.container.send_mail(bound=1))

    def test_after_a_restart(self) -> None:
        self.assert_docker_left_as_without_us(self.restart_docker)

    def test_after_compose_down_and_up(self) -> None:
        def down_and_up() -> None:
            self.compose_down()
            self.compose_up()
        self.assert_docker_left_as_without_us(down_and_up)

    def test_after_new_networks_and_containers(self) -> None:
        def add() -> None:
            self.docker.run_container("rspamd")
            self.docker.create_network("blog_default", OTHER_NET)
            self.docker.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.docker("rm", "--force", "rspamd")
        self.assert_docker_left_as_without_us(add)


class Unpublished(DockerNeighbour):
    """A container's port that is not published is not to be had through the tunnel either, by whatever source port."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()
        server = self.lab.container.start(["/usr/bin/python3", "-c", _LISTEN])
        server.stdout.readline()
        self.assertEqual("connected", self.connect(self.lab.home, UNPUBLISHED, 0), "nothing listens")

    def connect(self, host: object, port: int, source_port: int) -> str:
        client = self.lab.home if host is self.lab.home else self.lab.vps
        return client.run(["/usr/bin/python3", "-c", _CONNECT_FROM, topology.CONTAINER, str(port), str(source_port)]
                          ).stdout.strip()

    def test_from_the_vps(self) -> None:
        with self.lab.capture(self.lab.home, topology.TUNNEL, f"dst host {topology.CONTAINER}") as arriving, \
                self.lab.capture(self.lab.home, self.bridge, f"tcp dst port {UNPUBLISHED}") as passing:
            for source_port in (25, 0, 465):
                self.assertEqual("timed out", self.connect(self.lab.vps, UNPUBLISHED, source_port))
            for _ in range(3):
                self.lab.vps.run(["/usr/bin/python3", "-c", _SEND_ACK, topology.VPS_TUNNEL, topology.CONTAINER,
                                  str(UNPUBLISHED)])
            self.lab.home.reaches(topology.VPS_TUNNEL)  # what was sent before it has arrived when this is answered
        self.assertGreaterEqual(arriving.count, 6, "the VPS's packets should have come as far as the tunnel")
        self.assertEqual(passing.packets, [])

    def test_the_published_port_is_to_be_had_by_the_hosts_address_alone(self) -> None:
        for source_port in (25, 0):
            self.assertEqual("timed out", self.connect(self.lab.vps, 25, source_port))
        self.assert_mail_passes()


class Before(DockerNeighbour):
    """smtp-egress is enabled before Docker's daemon is there: at boot, without an order between them."""

    def begin(self) -> None:
        self.egress(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL, expect=None)
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", topology.VPS)
        super().begin()

    def test_what_is_missing_is_told_and_mended(self) -> None:
        with self.rules_listed():
            self.assert_told_and_mended()

    def test_disable_leaves_dockers_forwarding_on(self) -> None:
        self.enable()
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


if __name__ == "__main__":
    unittest.main()
