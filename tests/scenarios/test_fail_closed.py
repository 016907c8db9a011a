#!/usr/bin/python3
"""While enabled, not one tcp/25 packet of the container reaches the ISP's line."""

from __future__ import annotations

import unittest

from scenario import ENABLE_HOME, Options, Scenario, topology

TABLE, PRIORITY = "100", "10025"


class FailClosed(Scenario):
    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def assert_blocked_without_leak(self) -> None:
        with self.no_leak(), self.knocking():
            result = self.try_mail()
        self.assertFalse(result.delivered)

    def test_nothing_leaks_while_all_is_well(self) -> None:
        with self.no_leak(), self.knocking():
            self.assert_mail_passes()

    def test_tunnel_down(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home_tunnel.down()
            self.assertFalse(self.try_mail().delivered)

    def test_a_sender_is_told_at_once_when_the_tunnel_is_down(self) -> None:
        self.lab.home_tunnel.down()
        self.assertLess(self.try_mail().seconds, 1.5, "the sender should get an error, not a time-out")

    def test_tunnel_deleted(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home_tunnel.delete()
            self.assertFalse(self.try_mail().delivered)

    def test_tunnel_deleted_made_again_and_enabled(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home_tunnel.delete()
            self.lab.home_tunnel.create()
            self.try_mail()
            self.egress(self.lab.home, *ENABLE_HOME)
            self.lab.wait_for_tunnel()
            self.assert_mail_passes()

    def test_the_marks_policy_rule_deleted_by_hand(self) -> None:
        """The mail is told by its source as well."""
        with self.no_leak(), self.knocking():
            self.lab.home.run(["ip", "rule", "del", "pref", PRIORITY])
            self.assert_mail_passes()

    def test_policy_rules_deleted_by_hand(self) -> None:
        with self.no_leak(), self.knocking():
            self.delete_policy_rules()
            self.assertFalse(self.try_mail().delivered)

    def delete_policy_rules(self) -> None:
        for _ in ("by mark", "by source"):
            self.lab.home.run(["ip", "rule", "del", "pref", PRIORITY])

    def test_the_firewall_flushed(self) -> None:
        """All of it, as restarting Debian's nftables.service does: mark, guard, Docker's rules."""
        self.flush_the_firewall_and_lose_the_tunnel()

    def test_our_table_alone_flushed_or_deleted(self) -> None:
        for verb in ("flush", "delete"):
            with self.subTest(verb), self.no_leak(), self.knocking():
                self.lab.home.run(["nft", verb, "table", "inet", "smtp-egress-mailu-home"])
                self.try_mail()
                self.egress(self.lab.home, *ENABLE_HOME)
                self.assert_mail_passes()

    def test_egress_table_flushed_by_hand(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home.run(["ip", "route", "flush", "table", TABLE])
            self.assertFalse(self.try_mail().delivered)

    def test_tunnel_route_deleted_by_hand(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home.run(["ip", "route", "del", "default", "dev", topology.TUNNEL, "table", TABLE])
            self.assertFalse(self.try_mail().delivered)

    def test_rule_and_routes_and_tunnel_gone_together(self) -> None:
        with self.no_leak(), self.knocking():
            self.delete_policy_rules()
            self.lab.home.run(["ip", "route", "flush", "table", TABLE])
            self.lab.home_tunnel.delete()
            self.assertFalse(self.try_mail().delivered)

    def test_enable_mends_each_drift_without_a_leak(self) -> None:
        drifts = (
            ["ip", "rule", "del", "pref", PRIORITY],
            ["ip", "route", "flush", "table", TABLE],
            ["iptables", "-F", "DOCKER-USER"],
            ["iptables", "-t", "raw", "-D", "PREROUTING", "1"],
            ["sysctl", "-qw", f"net.ipv4.conf.{topology.TUNNEL}.rp_filter=1"],
        )
        for drift in drifts:
            with self.subTest(drift=" ".join(drift)), self.no_leak():
                self.lab.home.run(drift)
                self.egress(self.lab.home, "status", "mailu-home", expect=1)
                with self.knocking():
                    self.egress(self.lab.home, *ENABLE_HOME)
                self.assert_mail_passes()

    def test_a_vps_that_is_not_enabled_does_not_make_home_leak(self) -> None:
        self.egress(self.lab.vps, "disable", "mailu-vps")
        self.assert_blocked_without_leak()

    def test_disable_alone_sends_nothing(self) -> None:
        with self.no_leak():
            self.assert_mail_passes()
            self.disable_both()


class Switching(Scenario):
    def test_enable_is_one_switch(self) -> None:
        """With connections being opened all the time: once one went the new way (or was refused), none goes the old."""
        self.enable_vps()
        leaks = self.lab.capture(self.lab.isp, topology.ISP_TO_HOME, "tcp dst port 25")
        tunnelled = self.lab.capture(self.lab.home, "any", f"tcp dst port 25 and src host {topology.CONTAINER}")
        refusal = "icmp or (tcp src port 25 and tcp[tcpflags] & tcp-rst != 0)"
        refused = self.lab.capture(self.lab.container, topology.UPLINK, refusal)
        with leaks, tunnelled, refused:
            with self.knocking():
                self.egress(self.lab.home, *ENABLE_HOME)
                self.lab.home.reaches(topology.VPS_TUNNEL)
                after = self.lab.isp_leak_count()
                self.assert_mail_passes()
            self.assertEqual(self.lab.isp_leak_count(), after, "leaks after enable had ended")
        switched = [time for time, packet in zip(tunnelled.times, tunnelled.packets) if f"{topology.TUNNEL} " in packet]
        self.assertTrue(switched, "connections should have gone into the tunnel")
        first_new = min([*switched, *refused.times])
        late = [packet for time, packet in zip(leaks.times, leaks.packets) if time > first_new]
        self.assertEqual(late, [], "these went the old way after another had gone the new one")


class Ipv6(Scenario):
    """The profile names the containers' IPv4; their IPv6 has no tunnel, and must not go around it."""

    options = Options(ipv6=True)

    def knock6(self) -> None:
        words = ["/usr/bin/python3", "-c", f"import socket; socket.create_connection(('{topology.MX6}', 25), 1)"]
        self.lab.container.run(words, check=False)

    def test_tcp_25_is_refused_and_the_rest_is_not(self) -> None:
        self.knock6()
        self.assertGreater(self.lab.isp_leak_count(), 0, "without us it leaves by the home line; else this proves nothing")
        self.enable_home()
        with self.no_leak():
            self.knock6()
        self.assertEqual(self.lab.container.seen_as(topology.MX6, 443), topology.HOME6)


class StrictHost(Scenario):
    """A host whose administrator has reverse path filtering on everywhere."""

    options = Options(home_rp_filter=1)

    def test_mail_passes_and_the_values_come_back(self) -> None:
        with self.nothing_changes(self.lab.home):
            self.enable_both()
            self.assert_mail_passes(10_000_000)
            self.disable_both()


if __name__ == "__main__":
    unittest.main()
