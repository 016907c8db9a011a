#!/usr/bin/python3
"""Mail over IPv6: from the VPS's IPv6 address, never by the home line, and taken back exactly like IPv4's."""

from __future__ import annotations

import itertools
import unittest

from scenario import (ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, HomeFirewall, MailResult, Options, Scenario,
                      topology as at)
from lab.waiting import poll  # after scenario, which says where it is
from lab.firewall import load_docker_nftables

BOTH = ("--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
AS_THE_TUNNEL = ("--subnet", f"{at.HOME_TUNNEL}/32", "--subnet", f"{at.HOME6_TUNNEL}/128")
DUAL_HOME, DUAL_VPS = (*ENABLE_HOME, *BOTH), (*ENABLE_VPS, *BOTH)
OTHER_SOURCE = "2001:db8:203::99"  # a second address of the container, in no source
LARGE = 10_000_000

# Connects to the MX's port 25 over IPv6 so many times, from an address if one is named.
KNOCK6 = """
import socket, sys
for _ in range(5):
    knock = socket.socket(socket.AF_INET6)
    knock.setblocking(False)
    if len(sys.argv) > 2:
        knock.bind((sys.argv[2], 0))
    knock.connect_ex((sys.argv[1], 25))
"""

# One router's advertisement to all nodes on a link: type 134, hop limit 64, lifetime 1800 s.
ADVERTISE = """
import socket, struct, sys
advert = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
advert.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
link = socket.if_nametoindex(sys.argv[1])
advert.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
advert.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, link))
"""


class DualStack(Scenario):
    options = Options(ipv6=True)

    def enable_dual(self, *settings: str) -> None:
        self.egress(self.lab.vps, *DUAL_VPS)
        self.egress(self.lab.home, *DUAL_HOME, *settings)

    def mail6(self, size: int = 2_000, *, bound: int = 4) -> MailResult:
        return self.lab.container.send_mail(size, server=at.MX6, bound=bound)

    def knock6(self, *source: str) -> None:
        self.lab.container.run(["/usr/bin/python3", "-c", KNOCK6, at.MX6, *source])

    def assert_both_pass(self, size: int = 2_000) -> None:
        result = self.mail6(size)
        self.assertTrue(result.delivered, f"{result.reason}\n{result.transcript[-500:]}")
        self.assertEqual(result.seen_from, at.VPS6)
        self.assert_mail_passes(size)

    def assert_blocked_without_leak(self) -> None:
        with self.no_leak(), self.knocking():
            self.knock6()
            self.assertFalse(self.mail6(bound=2).delivered)


class Mail(DualStack):
    def test_blocked_before_from_the_vps_while_enabled_blocked_after(self) -> None:
        home, vps = self.lab.snapshot(self.lab.home), self.lab.snapshot(self.lab.vps)
        before = self.lab.isp_leak_count()
        self.assertFalse(self.mail6(bound=2).delivered)
        self.assertGreater(self.lab.isp_leak_count(), before, "without us it goes by the home line; else this proves nothing")
        self.enable_dual()
        with self.no_leak(), self.knocking():
            self.knock6()
            self.assert_both_pass()
            self.assert_both_pass(LARGE)
        for host, name, enable in ((self.lab.home, "mailu-home", DUAL_HOME), (self.lab.vps, "mailu-vps", DUAL_VPS)):
            self.egress(host, "status", name)
            self.egress(host, "verify", name)
            with self.nothing_changes(host):
                self.egress(host, *enable)
        self.disable_both()
        self.assert_same(home, self.lab.snapshot(self.lab.home))
        self.assert_same(vps, self.lab.snapshot(self.lab.vps))
        self.assertFalse(self.mail6(bound=2).delivered)

    def test_another_place_for_our_rules_is_moved_to(self) -> None:
        """By enable on an enabled host, as `verify` advises where another's rule comes first."""
        fresh = self.lab.snapshot(self.lab.home)
        self.egress(self.lab.vps, *DUAL_VPS, *AS_THE_TUNNEL)
        for sources, nat, place in itertools.product((BOTH, ()), ("preserve", "masquerade"),
                                                     ("priority=5200", "table=101", "mark=0x1a")):
            with self.subTest(sources=sources, nat=nat, place=place):
                enable = (*ENABLE_HOME, *sources, "--set", f"nat={nat}")
                self.egress(self.lab.home, *enable)
                self.egress(self.lab.home, *enable, "--set", place)
                self.egress(self.lab.home, "verify", "mailu-home")
                self.assert_mail_passes()
                self.egress(self.lab.home, "disable", "mailu-home")
                self.assert_same(fresh, self.lab.snapshot(self.lab.home))

    def test_everything_else_keeps_its_way(self) -> None:
        self.enable_dual()
        # (The kernel reports its multicast groups on any interface, whenever it likes.)
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp or udp") as inside:
            for port in at.WHOAMI_TCP_PORTS:
                self.assertEqual(self.lab.container.seen_as(at.MX6, port), at.HOME6)
                self.assertEqual(self.lab.home.seen_as(at.MX6, port), at.HOME6)
        self.assertEqual(inside.packets, [])

    def test_segments_fit_the_tunnel_from_the_first_packet(self) -> None:
        self.enable_dual()
        with self.lab.capture(self.lab.mx, at.UPLINK, "ip6 and tcp dst port 25 and ip6[53] & 2 != 0") as syn:
            self.assertTrue(self.mail6().delivered)
        self.assertEqual(syn.count, 1)
        self.assertIn(f"mss {at.TUNNEL_MTU - 60}", syn.packets[0])

    def test_a_large_mail_across_a_tunnel_of_the_least_mtu(self) -> None:
        for end in (self.lab.home_tunnel, self.lab.vps_tunnel):
            end.host.run(["ip", "link", "set", at.TUNNEL, "mtu", "1280"])
        self.enable_dual()
        with self.no_leak():
            self.assert_both_pass(LARGE)

    def test_packet_too_big_gets_back_to_the_container(self) -> None:
        """Behind the VPS the path is narrower than the tunnel: only ICMPv6 can tell. By a raw exception and by sidestep."""
        self.lab.isp.run(["ip", "link", "set", at.ISP_TO_MX, "mtu", "1300"])
        self.lab.mx.run(["ip", "-6", "route", "flush", "cache"])
        for docker in ("exception", "sidestep"):
            with self.subTest(docker=docker):
                self.lab.container.run(["ip", "-6", "route", "flush", "cache"])
                self.enable_dual("--set", f"docker={docker}")
                too_big = "icmp6 and ip6[40] == 2"
                with self.lab.capture(self.lab.container, at.UPLINK, too_big) as errors:
                    result = self.mail6(LARGE, bound=10)
                self.assertTrue(result.delivered, result.reason)
                self.assertGreater(errors.count, 0)
                self.disable_both()

    def test_a_mail_by_way_of_each_variant(self) -> None:
        fresh = self.lab.snapshot(self.lab.home)
        dockers = ("auto", "sidestep")
        for nat, steering, docker in itertools.product(("preserve", "masquerade"), ("mark", "rule"), dockers):
            with self.subTest(nat=nat, steering=steering, docker=docker):
                self.egress(self.lab.vps, *ENABLE_VPS, *(AS_THE_TUNNEL if nat == "masquerade" else BOTH))
                enable = (*DUAL_HOME, "--set", f"nat={nat}", "--set", f"steering={steering}", "--set", f"docker={docker}")
                self.egress(self.lab.home, *enable)
                with self.no_leak(), self.knocking():
                    self.assert_both_pass()
                self.egress(self.lab.home, "verify", "mailu-home")
                self.lab.home_tunnel.down()
                self.assert_blocked_without_leak()
                self.lab.home_tunnel.up()
                self.egress(self.lab.home, *enable)
                self.lab.wait_for_tunnel()
                self.egress(self.lab.home, "disable", "mailu-home")
                self.assert_same(fresh, self.lab.snapshot(self.lab.home))


class Legacy(DualStack):
    def test_a_drop_in_ip6tables_legacy_is_told(self) -> None:
        """Its tables work beside nf_tables, which does not show them."""
        self.enable_dual()
        self.lab.home.run(["ip6tables-legacy", "-A", "FORWARD", "-o", at.TUNNEL, "-j", "DROP"])
        self.assertFalse(self.mail6(bound=2).delivered)
        self.assert_mail_passes()
        done = self.egress(self.lab.home, "verify", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, "ip6 filter FORWARD", "ip6tables")


class FailClosed(DualStack):
    def setUp(self) -> None:
        super().setUp()
        self.enable_dual()

    def test_tunnel_down_and_deleted(self) -> None:
        self.lab.home_tunnel.down()
        self.assert_blocked_without_leak()
        self.lab.home_tunnel.delete()
        self.assert_blocked_without_leak()

    def test_policy_rules_deleted(self) -> None:
        while self.lab.home.run(["ip", "-6", "rule", "del", "pref", "10025"], check=False).returncode == 0:
            pass
        self.assert_blocked_without_leak()

    def test_egress_table_flushed(self) -> None:
        self.lab.home.run(["ip", "-6", "route", "flush", "table", "100"])
        self.assert_blocked_without_leak()

    def test_firewall_flushed(self) -> None:
        """Mark and guard are gone; what goes by source and by interface stays, also with the tunnel down."""
        self.lab.home.run(["nft", "flush", "ruleset"])
        with self.no_leak(), self.knocking():
            self.knock6()
        self.lab.home_tunnel.down()
        self.assert_blocked_without_leak()

    def test_mail_from_an_address_of_no_source(self) -> None:
        self.lab.container.ip_batch(f"address add {OTHER_SOURCE}/64 dev {at.UPLINK}\n")
        self.lab.home.ip_batch(f"address add 2001:db8:203::1/64 dev {at.BRIDGE}\n")
        self.egress(self.lab.home, *DUAL_HOME)
        inside = self.lab.capture(self.lab.home, at.TUNNEL, "ip6 and tcp dst port 25")
        with self.no_leak(), inside:
            self.knock6(OTHER_SOURCE)
        self.assertEqual(inside.packets, [], "it is not in the tunnel either")
        self.assert_said(self.egress(self.lab.home, "verify", "mailu-home"), "2001:db8:203::/64", "is refused")
        self.lab.home.run(["nft", "flush", "ruleset"])
        with self.no_leak():
            self.knock6(OTHER_SOURCE)

    def test_the_guard_taken_out_on_purpose_is_noticed(self) -> None:
        """That these tests can fail: without guard and policy rules, the same knocks reach the line."""
        before = self.lab.isp_leak_count()
        self.lab.home.run(["nft", "flush", "ruleset"])
        while self.lab.home.run(["ip", "-6", "rule", "del", "pref", "10025"], check=False).returncode == 0:
            pass
        self.knock6()
        poll(lambda: self.lab.isp_leak_count() > before, "the ISP to see tcp/25 over IPv6")


class Ipv4Profile(DualStack):
    """The profile names the containers' IPv4 alone."""

    def test_nothing_of_ipv6_leaks_and_verify_says_so(self) -> None:
        fresh = self.lab.snapshot(self.lab.home)
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.knock6()
            self.assert_mail_passes()
        self.assert_said(self.egress(self.lab.home, "verify", "mailu-home"), at.CONTAINER6_NET, "is refused",
                         f"add {at.CONTAINER6_NET} to the sources at home and on the VPS")
        self.assertEqual(self.lab.container.seen_as(at.MX6, 443), at.HOME6)
        self.lab.home.run(["nft", "flush", "ruleset"])
        with self.no_leak():
            self.knock6()
        self.enable_home()
        self.lab.home.run(["ip", "-6", "rule", "del", "pref", "10025"])
        self.assert_said(self.egress(self.lab.home, "status", "mailu-home", expect=NOT_AS_IT_SHOULD_BE),
                         f"iif {at.BRIDGE} ipproto tcp dport 25")
        with self.no_leak():
            self.knock6()
        self.enable_home()
        self.egress(self.lab.home, "disable", "mailu-home")
        after = self.lab.snapshot(self.lab.home).split("== ip rule")[1]
        self.assertEqual(fresh.split("== ip rule")[1], after, "all but the firewall, which was flushed")


class WithoutDocker(DualStack):
    """No firewall of Docker's at home, and IPv6 forwarding off: the host learns its way from a router."""

    options = Options(ipv6=True, home_firewall=HomeFirewall.NONE, home_ipv6_forward=0)

    def learn_from_router(self) -> None:
        home = self.lab.home
        home.run(["ip", "-6", "route", "del", "default"])
        home.set_sysctls({f"net/ipv6/conf/{at.UPLINK}/accept_ra": 1, f"net/ipv6/conf/{at.TUNNEL}/forwarding": 1})
        self.advertise()
        poll(self.has_learned, "the home host to take the advertisement")

    def advertise(self) -> None:
        self.lab.isp.run(["/usr/bin/python3", "-c", ADVERTISE, at.ISP_TO_HOME])

    def has_learned(self) -> bool:
        return "default" in self.lab.home.output(["ip", "-6", "route", "show", "proto", "ra"])

    def values(self) -> str:
        return self.lab.snapshot(self.lab.home).split("== sysctl")[1]

    def test_the_route_that_was_learned_is_kept_and_all_values_come_back(self) -> None:
        self.learn_from_router()
        before = self.values()
        self.enable_dual()
        self.assertTrue(self.has_learned(), "switching forwarding on took the host's own default route")
        self.assertEqual(self.lab.home.sysctl(f"net/ipv6/conf/{at.UPLINK}/accept_ra"), "2")
        self.lab.home.run(["ip", "-6", "route", "flush", "proto", "ra"])
        self.advertise()
        poll(self.has_learned, "the next advertisement to be taken while enabled")
        self.assert_both_pass()
        self.egress(self.lab.home, "status", "mailu-home")
        self.egress(self.lab.home, "disable", "mailu-home")
        self.assertEqual(before, self.values())
        self.assertTrue(self.has_learned())

    def test_beside_dockers_nftables_backend(self) -> None:
        load_docker_nftables(self.lab.home, ipv6=True)
        fresh = self.lab.home.output(["nft", "-s", "list", "ruleset"])
        self.enable_dual()
        with self.no_leak(), self.knocking():
            self.assert_both_pass(LARGE)
        self.egress(self.lab.home, "verify", "mailu-home")
        self.egress(self.lab.home, "disable", "mailu-home")
        self.assertEqual(fresh, self.lab.home.output(["nft", "-s", "list", "ruleset"]))


if __name__ == "__main__":
    unittest.main()
