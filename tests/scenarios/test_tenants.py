#!/usr/bin/python3
"""Several homes behind one VPS: each sends as its own public address, by its own tunnel, and reaches no other.

Two homes, alice and bob, each on a cable to the VPS that stands for its tunnel: unlike WireGuard's, it lets any address
in, so that what keeps them apart here is the program.
"""

from __future__ import annotations

import json
import unittest
from typing import Any, Sequence

from scenario import NOT_AS_IT_SHOULD_BE, REFUSED, Detail, Host, Options, Scenario, topology as at

from lab.mail import MailHost
from lab.waiting import poll

BOBS_ADDRESS = "203.0.113.77"  # the VPS's second one
PROFILE = "/run/many.json"
ENABLE = ("enable", PROFILE)
TABLE = "inet smtp-egress-many"

# Sends SYNs from an address of choice, and waits for no answer.
KNOCK_FROM = """
import socket, sys
source, server, port, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
held = []
for _ in range(times):
    knock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
    knock.setblocking(False)
    knock.bind((source, 0))
    knock.connect_ex((server, port))
    held.append(knock)
"""


def home(name: str, number: int, public_ip: str) -> dict[str, Any]:
    return {"name": name, "sources": [f"192.168.{number}.0/24"], "tunnel": f"tun-{name}", "public_ip": public_ip}


ALICE, BOB = home("alice", 101, at.VPS), home("bob", 102, BOBS_ADDRESS)
ALICES_MACHINE, BOBS_MACHINE, AS_BOB = "192.168.101.10", "192.168.102.10", "192.168.102.99"


class Homes(Scenario):
    """Alice's and bob's, and the VPS's profile of both."""

    options = Options(tunnel=False, vps_ip_forward=1)

    def setUp(self) -> None:
        super().setUp()
        self.lab.vps.ip_batch(f"address add {BOBS_ADDRESS}/24 dev {at.UPLINK}\n")
        self.alice = self.raise_home("alice", 101)
        self.bob = self.raise_home("bob", 102)
        self.write_profile([ALICE, BOB])

    def raise_home(self, name: str, number: int) -> MailHost:
        sandbox = self.lab._sandbox
        assert sandbox is not None
        machine = MailHost(sandbox, name, at.HOSTS_FILE, self.lab.mx)
        vps, tunnel = self.lab.vps, f"tun-{name}"
        vps.ip_batch(f"link add {tunnel} type veth peer name eth0 netns {machine.inner_pid}\n")
        vps.ip_batch(f"""
            address add 10.9.{number}.1/30 dev {tunnel}
            link set {tunnel} up
        """)
        machine.ip_batch(f"""
            link set lo up
            address add 10.9.{number}.2/30 dev eth0
            address add 192.168.{number}.10/32 dev lo
            link set eth0 up
            route add default via 10.9.{number}.1 src 192.168.{number}.10
        """)
        vps.ip_batch(f"route add 192.168.{number}.0/24 via 10.9.{number}.2\n")
        poll(lambda: "linkdown" not in vps.output(["ip", "route", "show", "table", "all", "dev", tunnel]),
             f"the carrier of {tunnel}, which the kernel tells up to a second late")
        return machine

    def write_profile(self, tenants: Sequence[Any], **keys: Any) -> None:
        self.lab.vps.path(PROFILE).write_text(json.dumps({"side": "vps", "wan": at.UPLINK, "tenants": tenants, **keys}))

    def enable(self) -> None:
        self.egress(self.lab.vps, *ENABLE)

    def assert_each_as_itself(self) -> None:
        for machine, address in ((self.alice, at.VPS), (self.bob, BOBS_ADDRESS)):
            result = machine.send_mail()
            self.assertTrue(result.delivered, f"{machine.name}: {result.reason}\n{result.transcript[-1500:]}")
            self.assertEqual(result.seen_from, address, machine.name)

    def knock_from(self, machine: Host, source: str, server: str, port: int, times: int = 5) -> None:
        machine.run(["/usr/bin/python3", "-c", KNOCK_FROM, source, server, str(port), str(times)])

    def firewall(self, *, drops: bool, masquerades: bool) -> None:
        vps = self.lab.vps
        vps.run(["iptables", "-P", "FORWARD", "DROP" if drops else "ACCEPT"])
        vps.run(["iptables", "-t", "nat", "-F", "POSTROUTING"])
        if masquerades:
            vps.run(["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", at.UPLINK, "-j", "MASQUERADE"])


class Tenants(Homes):
    # Mail

    def test_each_sends_as_its_own_address_and_all_is_undone(self) -> None:
        with self.nothing_changes(self.lab.vps, detail=Detail.CONTENT):
            self.enable()
            self.assert_each_as_itself()
            self.egress(self.lab.vps, "status", "many")
            self.egress(self.lab.vps, "verify", "many")
            with self.nothing_changes(self.lab.vps):
                self.assertIn("nothing changed", self.egress(self.lab.vps, *ENABLE).stdout)
            self.egress(self.lab.vps, "disable", "many")

    def test_on_a_vps_without_a_firewall(self) -> None:
        for drops, masquerades in ((False, False), (False, True)):
            self.firewall(drops=drops, masquerades=masquerades)
            self.enable()
            self.assert_each_as_itself()
            self.egress(self.lab.vps, "disable", "many")

    def test_large_mail_and_other_ports(self) -> None:
        self.enable()
        self.assertTrue(self.bob.send_mail(3_000_000).delivered)
        self.assertIsNone(self.alice.seen_as(at.MX, 443, bound=1), "no port but the mail's is let through")

    def test_a_probe_speaks_as_each_public_address(self) -> None:
        """A masquerade changes what this host itself sends, which the probe is, and nothing of the mail."""
        self.enable()
        self.lab.mx.speak("tell")
        for masquerades, as_bob in ((False, "passed"), (True, "skipped")):
            self.firewall(drops=True, masquerades=masquerades)
            self.enable()
            with self.nothing_changes(self.lab.vps):
                checks = self.json_of(self.lab.vps, "verify", "many", "--probe", at.MX)["checks"]
            outcomes = {kind: [check["outcome"] for check in checks if check["id"] == kind]
                        for kind in ("probe", "probe-mtu", "probe-seen-as")}
            self.assertEqual(outcomes, {"probe": ["passed"] * 2, "probe-mtu": ["passed"] * 2,
                                        "probe-seen-as": ["passed", as_bob]}, checks)
            titles = " ".join(check["title"] for check in checks if check["id"] == "probe")
            for address in (at.VPS, BOBS_ADDRESS):
                self.assertIn(address, titles)

    # Kept apart

    def test_no_tenant_uses_anothers_address(self) -> None:
        self.alice.ip_batch(f"address add {AS_BOB}/32 dev lo\n")
        self.firewall(drops=False, masquerades=True)
        with self.lab.capture(self.lab.isp, at.ISP_TO_MX, f"tcp dst port 25 and dst host {at.MX}") as before:
            self.knock_from(self.alice, AS_BOB, at.MX, 25)
        self.assertGreaterEqual(before.count, 5, "without the program it leaves by the masquerade")
        self.lab.vps.run(["conntrack", "-F"], check=False)
        for drops in (False, True):
            for masquerades in (False, True):
                with self.subTest(drops=drops, masquerades=masquerades):
                    self.firewall(drops=drops, masquerades=masquerades)
                    self.enable()
                    with self.lab.capture(self.lab.isp, at.ISP_TO_VPS, "tcp dst port 25 and tcp[13] & 4 == 0") as outside:
                        self.knock_from(self.alice, AS_BOB, at.MX, 25)
                    self.assertEqual(outside.packets, [])
                    self.assert_each_as_itself()
                    self.egress(self.lab.vps, "disable", "many")

    def test_no_tenant_reaches_another(self) -> None:
        self.firewall(drops=False, masquerades=False)
        with self.lab.capture(self.lab.vps, "tun-bob", f"dst host {BOBS_MACHINE}") as before:
            self.knock_from(self.alice, ALICES_MACHINE, BOBS_MACHINE, 443)
        self.assertGreaterEqual(before.count, 5, "without the program the VPS forwards between them")
        self.enable()
        with self.lab.capture(self.lab.vps, "tun-bob", f"dst host {BOBS_MACHINE}") as inside:
            for source in (ALICES_MACHINE, "10.9.101.2"):
                for port in (25, 443):
                    self.knock_from(self.alice, source, BOBS_MACHINE, port)
        self.assertEqual(inside.packets, [])

    def test_replies_by_anothers_tunnel_are_dropped(self) -> None:
        self.firewall(drops=False, masquerades=False)
        self.enable()
        self.lab.vps.ip_batch("route replace 192.168.101.0/24 via 10.9.102.2\n")
        with self.lab.capture(self.lab.vps, "tun-bob", f"dst host {ALICES_MACHINE}") as astray:
            self.assertFalse(self.alice.send_mail(bound=2).delivered)
        self.assertEqual(astray.packets, [])
        told = self.egress(self.lab.vps, "verify", "many", expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(told, "tenant alice", "tun-alice", "ip route add 192.168.101.0/24")

    # Drift, and what does not fit

    def test_a_single_element_is_told_and_mended(self) -> None:
        self.enable()
        vps = self.lab.vps
        settled = self.lab.snapshot(vps, Detail.HANDLES)
        for change, told in ((f'delete element {TABLE} senders-ipv4-24 {{ "tun-bob" . 192.168.102.0 }}', '"tun-bob" . 192.168.102.0'),
                             (f"add element {TABLE} networks-ipv4-24 {{ 10.77.0.0 }}", "10.77.0.0"),
                             (f"delete element {TABLE} addresses-ipv4-24 {{ 192.168.102.0 }}; "
                              f"add element {TABLE} addresses-ipv4-24 {{ 192.168.102.0 : 203.0.113.99 }}", BOBS_ADDRESS)):
            with self.subTest(change):
                vps.run(["nft", change])
                self.assert_said(self.egress(vps, "status", "many", expect=NOT_AS_IT_SHOULD_BE), "changed", told)
                done = self.json_of(vps, *ENABLE)
                self.assertEqual([(made["verb"], made["kind"] in ("set", "map")) for made in done["changes"]],
                                 [("replace", True)])
                self.assert_same(settled, self.lab.snapshot(vps, Detail.HANDLES))
                self.assert_each_as_itself()

    def test_a_set_of_another_kind_in_its_place_is_mended(self) -> None:
        self.enable()
        vps = self.lab.vps
        settled = self.lab.snapshot(vps)
        vps.run(["nft", f"flush chain {TABLE} forward; delete set {TABLE} networks-ipv4-24; "
                        f"add set {TABLE} networks-ipv4-24 {{ type ipv4_addr; flags interval; }}; "
                        f"add rule {TABLE} forward ip saddr @networks-ipv4-24 drop"])
        self.egress(vps, "status", "many", expect=NOT_AS_IT_SHOULD_BE)
        self.enable()
        after = self.lab.snapshot(vps)
        self.assertEqual(sorted(settled.splitlines()), sorted(after.splitlines()))  # the set made anew is listed last
        self.assert_each_as_itself()

    def test_nft_takes_its_own_listing(self) -> None:
        self.enable()
        vps = self.lab.vps
        listing = vps.output(["nft", "list", "table", *TABLE.split()])
        vps.run(["nft", "-f", "-"], input=f"delete table {TABLE}\n{listing}")
        self.assertIn("nothing changed", self.egress(vps, *ENABLE).stdout)

    def test_tenants_come_and_go(self) -> None:
        with self.nothing_changes(self.lab.vps, detail=Detail.CONTENT):
            self.write_profile([ALICE])
            self.enable()
            self.assertFalse(self.bob.send_mail(bound=1).delivered)
            self.write_profile([ALICE, BOB, {"name": "carol", "sources": ["10.3.0.0/16", "fd00:3::/64"], "tunnel": "tun-bob",
                                             "public_ip": at.VPS}], public_ip6="2001:db8:10::10")
            self.egress(self.lab.vps, *ENABLE, expect=REFUSED)  # no IPv6 address on the WAN
            self.write_profile([ALICE, BOB, {"name": "carol", "sources": ["10.3.0.0/16"], "tunnel": "tun-bob"}])
            self.enable()
            self.assert_each_as_itself()
            self.write_profile([ALICE, BOB])
            self.enable()
            self.assertNotIn("ipv4-16", self.lab.vps.output(["nft", "list", "ruleset"]))
            self.assert_each_as_itself()
            self.egress(self.lab.vps, "disable", "many")

    def test_a_descriptor_tells_of_one_home(self) -> None:
        self.enable()
        done = self.egress(self.lab.vps, "pair", PROFILE, expect=REFUSED)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assert_said(done, "many", "has tenants", "smtp-egress verify")

    def test_what_does_not_fit_is_refused(self) -> None:
        with self.nothing_changes(self.lab.vps):
            for tenants, words in (([ALICE, {**BOB, "public_ip": "203.0.113.99"}], ("tenant 'bob'", "203.0.113.99")),
                                   ([ALICE, {**BOB, "tunnel": at.UPLINK}], ("tenant 'bob'", at.UPLINK)),
                                   ([ALICE, {**BOB, "sources": ["192.168.101.128/25"]}], ("tenant 'bob'", "tenant 'alice'")),
                                   ([ALICE, {**BOB, "name": "alice"}], ("alice", "twice"))):
                with self.subTest(words):
                    self.write_profile(tenants)
                    self.assert_said(self.egress(self.lab.vps, *ENABLE, expect=REFUSED), *words)

    def test_ten_thousand(self) -> None:
        """Bounded: what each takes is tests/bench/tenants'."""
        many = [{"name": f"tenant-{i}", "sources": [f"10.{100 + i // 256}.{i % 256}.0/24"], "tunnel": "tun-bob",
                 "public_ip": (at.VPS, BOBS_ADDRESS)[i % 2]} for i in range(9_998)]
        self.lab.vps.ip_batch("route add 10.0.0.0/8 via 10.9.102.2\n")
        self.write_profile([ALICE, *many, BOB])
        with self.nothing_changes(self.lab.vps, detail=Detail.CONTENT):
            planned = self.egress(self.lab.vps, "plan", PROFILE)
            self.assertLess(len(planned.stdout.splitlines()), 60, "a line for each set, not for each tenant")
            self.enable()
            self.assert_each_as_itself()
            self.egress(self.lab.vps, "status", "many")
            self.egress(self.lab.vps, "verify", "many")
            self.assertIn("nothing changed", self.egress(self.lab.vps, *ENABLE).stdout)
            self.egress(self.lab.vps, "disable", "many")



class OverIpv6(Homes):
    """Both families at once; each tenant's IPv6 address is its own too."""

    options = Options(tunnel=False, vps_ip_forward=1, ipv6=True)
    BOBS_ADDRESS6 = "2001:db8:10::77"

    def setUp(self) -> None:
        super().setUp()
        self.lab.vps.ip_batch(f"address add {self.BOBS_ADDRESS6}/64 dev {at.UPLINK} nodad\n")
        for machine, number in ((self.alice, 101), (self.bob, 102)):
            tunnel = f"tun-{machine.name}"
            self.lab.vps.ip_batch(f"address add fd00:9:{number}::1/64 dev {tunnel} nodad\n")
            machine.ip_batch(f"""
                address add fd00:9:{number}::2/64 dev eth0 nodad
                address add fd00:{number}::10/128 dev lo nodad
                route add default via fd00:9:{number}::1 src fd00:{number}::10
            """)
            self.lab.vps.ip_batch(f"route add fd00:{number}::/64 via fd00:9:{number}::2\n")
        self.lab.vps.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
        of = {"alice": (ALICE, "fd00:101::/64", at.VPS6), "bob": (BOB, "fd00:102::/64", self.BOBS_ADDRESS6)}
        self.write_profile([{**tenant, "sources": [*tenant["sources"], network], "public_ip6": address}
                            for tenant, network, address in of.values()])

    def assert_each_as_itself(self) -> None:
        super().assert_each_as_itself()
        for machine, address in ((self.alice, at.VPS6), (self.bob, self.BOBS_ADDRESS6)):
            result = machine.send_mail(server=at.MX6)
            self.assertTrue(result.delivered, f"{machine.name}: {result.reason}\n{result.transcript[-1500:]}")
            self.assertEqual(result.seen_from, address, machine.name)

    def test_each_sends_as_its_own_addresses_and_all_is_undone(self) -> None:
        with self.nothing_changes(self.lab.vps, detail=Detail.CONTENT):
            self.enable()
            self.assert_each_as_itself()
            self.egress(self.lab.vps, "status", "many")
            self.egress(self.lab.vps, "verify", "many")
            self.egress(self.lab.vps, "disable", "many")

    def test_apart_over_ipv6_too(self) -> None:
        """Neither under another's address nor to another's network, though the VPS forwards and masquerades all."""
        as_bob = "fd00:102::99"
        self.alice.ip_batch(f"address add {as_bob}/128 dev lo nodad\n")
        self.lab.vps.run(["ip6tables", "-P", "FORWARD", "ACCEPT"])
        self.lab.vps.run(["ip6tables", "-t", "nat", "-A", "POSTROUTING", "-o", at.UPLINK, "-j", "MASQUERADE"])
        self.assertTrue(self.alice.send_mail(server=at.MX6).delivered, "without the program all goes through")
        # Without the VPS's own resets: what the MX still answers to knocks of before is nobody's once they are forgotten.
        mail = f"tcp dst port 25 and dst host {at.MX6} and ip6[53] & 4 == 0"
        with self.lab.capture(self.lab.isp, at.ISP_TO_MX, mail) as before:
            self.knock_from(self.alice, as_bob, at.MX6, 25)
        self.assertGreaterEqual(before.count, 5, "without the program it leaves by the masquerade")
        self.lab.vps.run(["conntrack", "-F"], check=False)
        self.enable()
        with self.lab.capture(self.lab.isp, at.ISP_TO_MX, mail) as outside, \
                self.lab.capture(self.lab.vps, "tun-bob", "dst host fd00:102::10") as inside:
            self.knock_from(self.alice, as_bob, at.MX6, 25)
            for port in (25, 443):
                self.knock_from(self.alice, "fd00:101::10", "fd00:102::10", port)
        self.assertEqual(outside.packets, [])
        self.assertEqual(inside.packets, [])
        self.assert_each_as_itself()


if __name__ == "__main__":
    unittest.main()
