#!/usr/bin/python3
"""The main job: the container's mail leaves by the VPS's address, and nothing else changes its way."""

from __future__ import annotations

import unittest
from pathlib import Path

from scenario import ENABLE_HOME, ROOT, Scenario, topology
from lab.waiting import read_until

SERVER = ROOT / "tests/lab/mx_server.py"
LARGE = 10_000_000  # bytes


class Mail(Scenario):
    def test_without_egress_the_isp_blocks(self) -> None:
        result = self.try_mail()
        self.assertFalse(result.delivered)
        self.assertGreater(self.lab.isp_leak_count(), 0, "the block should have been met")

    def test_ten_megabytes_at_the_first_try_are_seen_from_the_vps(self) -> None:
        self.enable_both()
        with self.no_leak():
            result = self.lab.container.send_mail(LARGE)
        self.assert_seen_from_vps(result)
        self.assertGreaterEqual(result.size, LARGE)

    def test_the_order_of_the_two_sides_does_not_matter(self) -> None:
        self.enable_home()
        self.enable_vps()
        self.assert_mail_passes()

    def test_after_disable_the_mail_is_blocked_again(self) -> None:
        self.enable_both()
        self.assert_mail_passes()
        self.disable_both()
        self.assertFalse(self.try_mail().delivered)

    def test_segments_fit_the_tunnel_from_the_first_packet(self) -> None:
        """The maximum segment size is set on the way, so that nothing depends on ICMP coming back."""
        self.enable_both()
        with self.lab.capture(self.lab.mx, topology.UPLINK, "tcp dst port 25 and tcp[tcpflags] & tcp-syn != 0") as syn:
            self.assert_mail_passes()
        self.assertEqual(syn.count, 1)
        self.assertIn(f"mss {topology.TUNNEL_MTU - 40}", syn.packets[0])

    def test_fragmentation_needed_gets_back_to_the_container(self) -> None:
        """Behind the VPS the path is narrower than the tunnel. By a raw exception and by sidestep."""
        self.lab.isp.run(["ip", "link", "set", topology.ISP_TO_MX, "mtu", "1300"])
        for docker in ("exception", "sidestep"):
            with self.subTest(docker=docker):
                self.lab.container.run(["ip", "route", "flush", "cache"])
                self.enable_vps()
                self.egress(self.lab.home, *ENABLE_HOME, "--set", f"docker={docker}")
                needed = "icmp[icmptype] == icmp-unreach and icmp[icmpcode] == 4"
                with self.lab.capture(self.lab.container, topology.UPLINK, needed) as errors:
                    result = self.lab.container.send_mail(LARGE, bound=10)
                self.assertTrue(result.delivered, result.reason)
                self.assertGreater(errors.count, 0)
                self.disable_both()


class EverythingElse(Scenario):
    def paths(self) -> dict[str, str | None]:
        """By which address the MX sees each kind of traffic."""
        container, home = self.lab.container, self.lab.home
        return {
            **{f"container tcp/{port}": container.seen_as(topology.MX, port) for port in topology.WHOAMI_TCP_PORTS},
            "container udp/53": container.seen_as(topology.MX, topology.WHOAMI_UDP_PORT, protocol="udp"),
            **{f"home tcp/{port}": home.seen_as(topology.MX, port) for port in topology.WHOAMI_TCP_PORTS},
            "home udp/53": home.seen_as(topology.MX, topology.WHOAMI_UDP_PORT, protocol="udp"),
            "vps tcp/443": self.lab.vps.seen_as(topology.MX, 443),
        }

    def test_other_ports_and_the_hosts_own_traffic_keep_their_path(self) -> None:
        before = self.paths()
        self.enable_both()
        inside = self.lab.capture(self.lab.home, topology.TUNNEL, "")
        with inside:
            self.assertEqual(before, self.paths())
        self.assertEqual(inside.packets, [], "nothing of that belongs in the tunnel")

    def test_the_hosts_own_mail_is_not_steered(self) -> None:
        self.enable_both()
        outside = self.lab.capture(self.lab.home, topology.UPLINK, "tcp dst port 25")
        with outside:
            self.assertFalse(self.lab.home.send_mail(bound=2).delivered)
        self.assertGreater(outside.count, 0)
        for packet in outside.packets:
            self.assertIn(f"IP {topology.HOME}.", packet)

    def test_the_vps_own_mail_goes_as_before(self) -> None:
        self.enable_both()
        self.assertEqual(self.lab.vps.send_mail().seen_from, topology.VPS)

    def start_server_in_container(self) -> Path:
        log = "/run/lab/inbound.jsonl"
        server = self.lab.container.start(["/usr/bin/python3", "-u", SERVER, log, "5353"])
        read_until(server.stdout, b"ready", "the mail server in the container")
        return self.lab.container.path(log)

    def test_inbound_mail_to_the_published_port_still_arrives(self) -> None:
        log = self.start_server_in_container()
        self.enable_both()
        self.lab.mx.run(["swaks", "--server", topology.HOME, "--from", "a@example.org", "--to", "b@example.net"])
        self.assertIn(f'"peer": "{topology.MX}"', log.read_text())

    def test_the_vps_cannot_open_connections_from_source_port_25(self) -> None:
        """Replies are let in past Docker's raw drop, and only replies."""
        self.enable_both()
        knock = (
            "import socket,sys; s = socket.create_connection((sys.argv[1], 8025), 2, ('', 25)); print(s.getsockname())"
        )
        listener = self.lab.container.start(["/usr/bin/python3", "-u", "-m", "http.server", "8025"])
        read_until(listener.stdout, b"Serving", "the listener in the container")
        with self.lab.capture(self.lab.container, topology.UPLINK, "tcp port 8025") as reached:
            done = self.lab.vps.run(["/usr/bin/python3", "-c", knock, topology.CONTAINER], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(reached.packets, [])


if __name__ == "__main__":
    unittest.main()
