#!/usr/bin/python3
"""trace follows the mail through nf_tables: in the healthy states of all variants it goes the right way, and trace leaves
nothing behind, whatever ends it.
"""

from __future__ import annotations

import itertools
import unittest

from host_process import HostProcess
from injection import Injection
from scenario import (DONE, ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, NOT_ENABLED, NOT_PERMITTED, REFUSED, Options,
                      Scenario, topology as at)
from tracing import Traced

import test_ipv6
import test_tenants as tenants

BRIDGE, TUNNEL, WAN = at.BRIDGE, at.TUNNEL, at.UPLINK

# One SYN,ACK that nobody asked for, from port 25 of the first address to the second.
_SCAN = """
import socket, struct, sys
source, destination = map(socket.inet_aton, sys.argv[1:])
header = struct.pack("!HHIIBBHHH", 25, 45678, 1, 1, 5 << 4, 0x12, 1024, 0, 0)
words = struct.unpack("!16H", source + destination + struct.pack("!BBH", 0, 6, len(header)) + header)
total = sum(words)
total = (total & 0xffff) + (total >> 16)
header = header[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + header[18:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).sendto(header, (sys.argv[2], 0))
"""


class Healthy(Traced):
    def test_home_by_a_knock(self) -> None:
        self.enable_both()
        with self.nothing_changes(self.lab.home, self.lab.container):
            document = self.probe()
        self.assert_ways(document, mail=TUNNEL, replies=BRIDGE)
        first = self.ways(document, "mail")[0]
        self.assertEqual(first["packet"]["source"], at.CONTAINER)
        self.assertEqual(first["left_as"]["source"], at.CONTAINER)
        self.assertEqual([step["owner"] for step in first["steps"]], ["ours (mark)", "ours (admission)", "ours (nat bypass)"])
        self.assertEqual([step["mark"] for step in first["steps"]], [0x19] * 3)

    def test_both_ends_while_a_mail_is_sent(self) -> None:
        self.enable_both()
        with self.tracing(self.lab.home) as home, self.tracing(self.lab.vps) as vps:
            self.assert_mail_passes(200_000)
        self.assert_ways(home, mail=TUNNEL, replies=BRIDGE)
        self.assert_ways(vps, mail=WAN, replies=TUNNEL)
        for way in self.ways(vps, "mail"):
            self.assertEqual(way["left_as"]["source"], at.VPS)
        self.assertGreater(home["packets"]["right"], 20)

    def test_each_variant(self) -> None:
        for nat, steering, docker in itertools.product(("preserve", "masquerade"), ("mark", "rule"), ("exception", "sidestep")):
            with self.subTest(nat=nat, steering=steering, docker=docker):
                source = at.CONTAINER_NET if nat == "preserve" else f"{at.HOME_TUNNEL}/32"
                self.egress(self.lab.vps, *ENABLE_VPS, "--subnet", source)
                self.egress(self.lab.home, *ENABLE_HOME, "--set", f"nat={nat}", "--set", f"steering={steering}",
                            "--set", f"docker={docker}")
                with self.tracing(self.lab.vps) as vps:
                    home = self.probe()
                self.assert_ways(home, mail=TUNNEL, replies=BRIDGE)
                self.assert_ways(vps, mail=WAN, replies=TUNNEL)
                self.disable_both()

    def test_other_traffic_is_not_followed(self) -> None:
        self.enable_both()
        with self.tracing(self.lab.home, expect=NOT_AS_IT_SHOULD_BE) as document:
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
        self.assertEqual(document["journeys"], [])
        self.assertIn("--probe", document["notes"][0])

    def test_the_vps_own_mail_is_not_the_homes(self) -> None:
        self.enable_both()
        with self.tracing(self.lab.vps, expect=NOT_AS_IT_SHOULD_BE) as document:
            self.assertTrue(self.lab.vps.send_mail().delivered)
        self.assertEqual((document["packets"]["right"], document["packets"]["wrong"]), (0, 0), document)
        self.assertGreater(document["packets"]["aside"], 0)

    def test_as_text(self) -> None:
        self.enable_both()
        words = ("trace", "mailu-home", "--probe", "--to", f"{at.MX}:25")
        said = self.egress(self.lab.home, *words)
        self.assert_said(said, "following tcp/25", "knocking at", "ours (mark); the mark is now 0x19", "left by wg0",
                         "went the right way")
        self.assertEqual(self.egress(self.lab.home, "--quiet", *words).stdout, "")

    def test_a_number_of_packets_is_enough(self) -> None:
        self.enable_both()
        with self.knocking():
            document = self.json_of(self.lab.home, "trace", "--packets", "5", "--seconds", "60")
        self.assertGreaterEqual(sum(document["packets"].values()), 5)

    def test_without_anybody_in_the_network_this_host_knocks(self) -> None:
        """As its own address there, with the mark."""
        self.enable_both()
        self.lab.container.ip_batch(f"address flush dev {WAN}\n")
        document = self.probe()
        self.assertEqual(self.ways(document, "mail")[0]["packet"]["source"], at.CONTAINER_GATEWAY)
        self.assertEqual(self.ways(document, "mail")[0]["out"], TUNNEL)


class Refusals(Scenario):
    options = Options(tunnel=True)

    def test_each(self) -> None:
        home, vps = self.lab.home, self.lab.vps
        self.egress(home, "trace", "mailu-home", expect=NOT_ENABLED)
        self.enable_both()
        self.assert_said(self.egress(home, "trace", "--probe", expect=REFUSED), "--to")
        self.assert_said(self.egress(home, "trace", "--to", at.MX, expect=REFUSED), "--probe")
        self.assert_said(self.egress(home, "trace", "--probe", "--to", "mx.example.org", expect=REFUSED), "an address")
        self.assert_said(self.egress(home, "trace", "--probe", "--to", f"{at.MX}:587", expect=REFUSED), "none of the profile's")
        self.assert_said(self.egress(vps, "trace", "--probe", "--to", at.MX, expect=REFUSED), "knock at home")
        self.egress(home, "trace", "--seconds", "0", expect=REFUSED)
        self.egress(home, "trace", before=("setpriv", "--bounding-set=-all", "--inh-caps=-all"), expect=NOT_PERMITTED)


class Ipv6(Traced, test_ipv6.DualStack):
    def test_both_families(self) -> None:
        self.enable_dual()
        for to, source in ((at.MX, at.VPS), (at.MX6, at.VPS6)):
            with self.subTest(to=to):
                with self.tracing(self.lab.vps) as vps:
                    home = self.probe(to=to)
                self.assert_ways(home, mail=TUNNEL, replies=BRIDGE)
                self.assert_ways(vps, mail=WAN, replies=TUNNEL)
                self.assertEqual({way["left_as"]["source"] for way in self.ways(vps, "mail")}, {source})


class OfThisHostItself(Traced, HostProcess):
    def test_a_users_mail(self) -> None:
        self.enable_mox()
        with self.tracing(self.lab.home) as sent:
            self.assert_mail_passes()
        for document in (sent, self.probe()):
            self.assertEqual({way["out"] for way in self.ways(document, "mail")}, {TUNNEL})
            self.assertEqual({way["in"] for way in self.ways(document, "mail")}, {""})
            self.assertEqual({way["end"] for way in self.ways(document, "reply")}, {"delivered"})
            self.assertEqual(document["packets"]["wrong"], 0)


class OfTenants(Traced):
    options = tenants.Homes.options
    raise_home = tenants.Homes.raise_home
    write_profile = tenants.Homes.write_profile

    def test_each_as_its_own_address(self) -> None:
        self.lab.vps.ip_batch(f"address add {tenants.BOBS_ADDRESS}/24 dev {WAN}\n")
        alice, bob = self.raise_home("alice", 101), self.raise_home("bob", 102)
        self.write_profile([tenants.ALICE, tenants.BOB])
        self.egress(self.lab.vps, *tenants.ENABLE)
        with self.tracing(self.lab.vps) as document:
            for machine in (alice, bob):
                self.assertTrue(machine.send_mail().delivered)
        pairs = {(way["packet"]["source"], way["left_as"]["source"]) for way in self.ways(document, "mail")}
        self.assertEqual(pairs, {(tenants.ALICES_MACHINE, at.VPS), (tenants.BOBS_MACHINE, tenants.BOBS_ADDRESS)})
        self.assertEqual({way["out"] for way in self.ways(document, "reply")}, {"tun-alice", "tun-bob"})


class NotTheMails(Traced):
    """What looks like mail, or like a reply, and is none that leaves by the VPS."""

    def test_to_a_sources_network_that_is_not_private(self) -> None:
        home, container = self.lab.home, self.lab.container
        container.ip_batch(f"link add other0 type veth peer name veth-other netns {home.inner_pid}\n")
        home.ip_batch("link add br9 type bridge\naddress add 198.18.5.1/24 dev br9\nlink set br9 up\n"
                      "link set veth-other master br9\nlink set veth-other up\n"
                      "neighbour replace 198.18.5.9 lladdr 02:00:00:00:00:09 dev br9\n")
        home.run(["iptables", "-I", "FORWARD", "-o", "br9", "-j", "ACCEPT"])
        self.enable_vps()
        self.egress(home, *ENABLE_HOME, "--subnet", at.CONTAINER_NET, "--subnet", "198.18.5.0/24")
        with self.tracing(home, expect=NOT_AS_IT_SHOULD_BE) as document:
            self.lab.container.run(["timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/198.18.5.9/25"], check=False)
        self.assertEqual({(way["judgement"], way["out"]) for way in document["journeys"]}, {("aside", "br9")}, document)

    def test_a_scan_from_the_mails_port(self) -> None:
        """Of the public address, which a hardened firewall drops before its destination is looked at."""
        self.enable_both()
        vps = self.lab.vps
        vps.run(["nft", "add table inet hard; add chain inet hard p { type filter hook prerouting priority -150; }; "
                        "add rule inet hard p ct state invalid drop"])
        with self.tracing(vps) as document:
            self.assert_mail_passes()
            self.lab.mx.run(["/usr/bin/python3", "-c", _SCAN, at.MX, at.VPS])
        dropped = [way for way in document["journeys"] if way["end"] == "dropped"]
        self.assertEqual([way["judgement"] for way in dropped], ["aside"], document)
        self.assertEqual(document["packets"]["wrong"], 0)


class FasterThanItIsFollowed(Traced):
    def test_nothing_is_called_lost(self) -> None:
        self.enable_both()
        with self.tracing(self.lab.home) as document:
            with self.follower.suspended():
                self.knock(1200)
            self.assert_mail_passes()
        self.assertTrue(document["overrun"], document["packets"])
        self.assertEqual(document["packets"]["wrong"], 0, document)
        self.assertGreater(document["packets"]["right"], 0)


class NothingStays(Traced):
    def test_other_commands_meanwhile(self) -> None:
        """They do not take the trace's table for a thing of theirs, or in their way."""
        home = self.lab.home
        fresh = self.lab.snapshot(home)
        self.enable_both()
        with self.tracing(home, expect=None) as document:
            self.assertIn("smtp-egress.trace.mailu-home", self.tables(home))
            self.egress(home, "status", "mailu-home")
            self.egress(home, "verify", "mailu-home")
            self.assertFalse(self.json_of(home, *ENABLE_HOME)["changed"])
            self.assertEqual(self.json_of(home, "plan", "mailu-home", "--tunnel", TUNNEL)["changes"], [])
            self.assert_mail_passes()
            self.egress(home, "disable", "mailu-home")
        self.assertEqual(document["packets"]["wrong"], 0, document)
        self.assert_same(fresh, self.lab.snapshot(home))

    def test_rules_that_come_and_go_meanwhile(self) -> None:
        self.enable_both()
        home = self.lab.home
        with self.tracing(home, expect=None) as document:
            home.run(["nft", "add table inet fw; add chain inet fw c { type filter hook forward priority 10; }; "
                             "add rule inet fw c tcp dport 25 drop"])
            self.knock(1)
            self.lab.home.run(["nft", "delete", "table", "inet", "fw"])
            self.assert_mail_passes()
        wrong = self.first_wrong(document)
        self.assertEqual(wrong["steps"][-1]["chain"], "inet fw c")
        self.assertIn(wrong["steps"][-1]["rule"], ("tcp dport 25 drop", f"handle {wrong['steps'][-1]['handle']}"))
        self.assertGreater(document["packets"]["right"], 0)

    def test_a_firewall_that_is_loaded_anew_meanwhile(self) -> None:
        """Its rules get the same numbers again."""
        self.enable_both()
        home = self.lab.home
        table = "add table inet fw; add chain inet fw c { type filter hook forward priority 10; }; add rule inet fw c "
        home.run(["nft", f"{table} tcp dport 9999 accept"])
        with self.tracing(home, expect=NOT_AS_IT_SHOULD_BE) as document:
            home.run(["nft", f"delete table inet fw; {table} tcp dport 25 drop"])
            self.knock(1)
        told = [way["steps"][-1]["rule"] for way in document["journeys"] if way["judgement"] == "wrong"]
        self.assertEqual(told, ["tcp dport 25 drop"], document)

    def test_two_at_once(self) -> None:
        self.enable_both()
        with self.nothing_changes(self.lab.home):
            with self.tracing(self.lab.home) as one, self.tracing(self.lab.home) as other:
                self.assert_mail_passes()
            for document in (one, other):  # the connection's last packets may come when one of them has ended
                self.assertGreater(document["packets"]["right"], 10)
                self.assertEqual(document["packets"]["wrong"], 0)


class Killed(Injection):
    def test_at_every_call(self) -> None:
        self.enable_both()
        home = self.lab.home
        before = self.lab.snapshot(home)

        def nothing_stays(_: int) -> None:
            self.assertEqual(before, self.lab.snapshot(home))

        self.every_kill(lambda: None, home, ("trace", "mailu-home", "--probe", "--to", at.MX), nothing_stays)
        self.assertEqual(DONE, self.egress(home, "status", "mailu-home").returncode)


if __name__ == "__main__":
    unittest.main()
