#!/usr/bin/python3
"""The VPS side: which address mail leaves by, past which firewalls, and what it does not let through."""

from __future__ import annotations

import unittest

from scenario import ENABLE_VPS, NOT_AS_IT_SHOULD_BE, REFUSED, Detail, Options, Scenario, topology
from lab import VpsAddress

OTHER_ADDRESS = "203.0.113.77"


class Address(Scenario):
    def test_wan_and_address_are_found(self) -> None:
        self.egress(self.lab.vps, "enable", "mailu-vps")
        self.enable_home()
        self.assert_mail_passes()

    def test_wan_given_by_hand(self) -> None:
        self.egress(self.lab.vps, "enable", "mailu-vps", "--wan", topology.UPLINK, "--public-ip", topology.VPS)
        self.enable_home()
        self.assert_mail_passes()

    def test_the_chosen_address_outranks_a_masquerade(self) -> None:
        """With two public addresses a masquerade takes the first; the mail must take the chosen one."""
        self.lab.vps.ip_batch(f"address add {OTHER_ADDRESS}/24 dev {topology.UPLINK}\n")
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", OTHER_ADDRESS)
        self.enable_home()
        result = self.lab.container.send_mail()
        self.assertEqual(result.seen_from, OTHER_ADDRESS)
        self.assertEqual(self.lab.vps.seen_as(topology.MX, 443), topology.VPS)

    def test_an_address_that_is_not_there_is_told(self) -> None:
        done = self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", "203.0.113.99", expect=None)
        told = self.egress(self.lab.vps, "verify", "mailu-vps", expect=None) if done.returncode == 0 else done
        self.assertNotEqual(told.returncode, 0)
        self.assert_said(told, "203.0.113.99")

    def test_an_unknown_wan_interface_is_refused(self) -> None:
        with self.nothing_changes(self.lab.vps, detail=Detail.HANDLES):
            done = self.egress(self.lab.vps, *ENABLE_VPS, "--wan", "eth7", expect=None)
        self.assertIn(done.returncode, (NOT_AS_IT_SHOULD_BE, REFUSED))
        self.assert_said(done, "eth7")


class MappedAddress(Scenario):
    options = Options(vps_address=VpsAddress.MAPPED)

    def test_the_public_address_may_be_given(self) -> None:
        with self.nothing_changes(self.lab.vps):
            self.enable_both()
            self.assert_mail_passes()
            self.assertRegex(self.lab.vps.output(["nft", "list", "ruleset"]), f"snat (ip )?to {topology.VPS_PRIVATE}")
            self.egress(self.lab.vps, "verify", "mailu-vps")
            self.disable_both()

    def test_nothing_needs_to_be_given(self) -> None:
        self.egress(self.lab.vps, "enable", "mailu-vps")
        self.enable_home()
        self.assert_mail_passes()


class Overlap(Scenario):
    def test_a_docker_network_that_overlaps_is_refused_by_name(self) -> None:
        self.lab.vps.ip_batch("""
            link add br-0a1b2c3d4e5f type bridge
            address add 192.168.200.1/21 dev br-0a1b2c3d4e5f
            link set br-0a1b2c3d4e5f up
        """)
        with self.nothing_changes(self.lab.vps, detail=Detail.HANDLES):
            done = self.egress(self.lab.vps, *ENABLE_VPS, expect=REFUSED)
        self.assert_said(done, "br-0a1b2c3d4e5f", topology.CONTAINER_NET)

    def test_a_neighbouring_network_is_not(self) -> None:
        self.lab.vps.ip_batch("""
            link add br-0a1b2c3d4e5f type bridge
            address add 192.168.204.1/24 dev br-0a1b2c3d4e5f
            link set br-0a1b2c3d4e5f up
        """)
        self.enable_both()
        self.assert_mail_passes()


class Firewalls(Scenario):
    """Whatever forwards or refuses on the VPS already."""

    def check(self) -> None:
        with self.nothing_changes(self.lab.vps):
            self.enable_both()
            self.assert_mail_passes()
            self.disable_both()

    def test_policy_drop(self) -> None:
        self.check()

    def test_a_reject_at_the_end_of_forward(self) -> None:
        """As ufw and many hand-written firewalls have it; an appended accept is never reached."""
        self.lab.vps.run(["iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP"])
        self.lab.vps.run(["iptables", "-A", "FORWARD", "-j", "REJECT"])
        self.check()

    def test_a_native_table_that_drops(self) -> None:
        self.lab.vps.run(["nft", "-f", "-"], input="""table inet fw {
            chain forward { type filter hook forward priority filter; policy drop; ct state established accept; }
        }""")
        self.check()

    def test_a_native_table_that_rejects_at_its_end(self) -> None:
        self.lab.vps.run(["nft", "-f", "-"], input="""table inet fw {
            chain forward { type filter hook forward priority filter + 10; ct state invalid drop; reject; }
        }""")
        self.check()


class Narrow(Scenario):
    """The VPS becomes no router for anything but the mail."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()
        # Everything from the container now goes into the tunnel, whatever the home side of the product says.
        self.lab.home.ip_batch(f"""
            rule add from {topology.CONTAINER} pref 5000 lookup 77
            route add default dev {topology.TUNNEL} table 77
        """)
        self.lab.home.run(["iptables", "-t", "nat", "-I", "POSTROUTING", "-o", topology.TUNNEL, "-j", "ACCEPT"])

    def test_other_ports_are_not_forwarded(self) -> None:
        with self.lab.capture(self.lab.vps, topology.UPLINK, "tcp port 443 or udp port 53") as outside:
            self.assertIsNone(self.lab.container.seen_as(topology.MX, 443, bound=1))
            self.assertIsNone(self.lab.container.seen_as(topology.MX, 53, protocol="udp", bound=1))
        self.assertEqual(outside.packets, [])

    def test_the_internet_cannot_open_connections_to_the_container(self) -> None:
        self.lab.isp.ip_batch(f"route add {topology.CONTAINER_NET} via {topology.VPS}\n")
        knock = "import socket,sys; socket.create_connection((sys.argv[1], 25), 1, ('', 25))"
        with self.lab.capture(self.lab.vps, topology.TUNNEL, f"src host {topology.MX}") as inside:
            self.lab.isp.run(["/usr/bin/python3", "-c", knock, topology.CONTAINER], check=False)
            self.lab.isp.reaches(topology.CONTAINER)
        self.assertEqual(inside.packets, [])


if __name__ == "__main__":
    unittest.main()
