#!/usr/bin/python3
"""Mail of a process of the home host itself: by its user, the whole host's, or by an address of its own. From the VPS's
address, never past the tunnel, and nothing else of that host is touched.
"""

from __future__ import annotations

import json
import unittest

from host_process import AS_MOX, MOX, HostProcess
from scenario import NOT_AS_IT_SHOULD_BE, REFUSED, HomeFirewall, Options, topology as at

from lab.waiting import poll, read_until

TABLE, PRIORITY = "100", "10025"
BOTH = [at.HOME_TUNNEL, at.HOME6_TUNNEL]


def sources(*items: object) -> tuple[str, str]:
    return "--set", "sources=" + json.dumps(items)


class ByUser(HostProcess):
    def test_his_mail_leaves_by_the_vps_at_the_first_try_and_nothing_stays_behind(self) -> None:
        before = self.lab.isp_leak_count()
        self.assertFalse(self.try_mail().delivered)
        self.assertGreater(self.lab.isp_leak_count(), before, "the ISP's block should have been met")
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_mox()
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                self.assert_mail_passes(3_000_000)
                for command in ("verify", "status"):
                    self.egress(self.lab.vps, command)
                    self.egress(self.lab.home, command)
            with self.nothing_changes(self.lab.home, self.lab.vps):
                self.enable_mox()
            self.disable_mox()

    def test_two_users_come_and_go_one_by_one(self) -> None:
        both, alone = ([{"user": user, "address": at.HOME_TUNNEL} for user in users] for users in ((33, MOX), (33,)))
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_mox("--set", f"sources={json.dumps(both)}")
            with self.no_leak():
                self.assert_mail_passes()
            self.enable_mox("--set", f"sources={json.dumps(alone)}")
            self.assertFalse(self.try_mail().delivered, "he is no sender any more: blocked as ever")
            self.enable_mox("--set", f"sources={json.dumps([*both, {'user': '*', 'address': at.HOME_TUNNEL}])}")
            with self.no_leak():
                self.assert_mail_passes()
                self.assert_seen_from_vps(self.lab.home.send_mail())
            self.disable_mox()

    def test_what_was_under_way_before_does_not_go_on_past_the_tunnel(self) -> None:
        """Half-open connections, from the uplink's address: they end, and new ones take the tunnel."""
        with self.knocking():
            self.enable_mox()
            with self.no_leak():
                self.assert_mail_passes()

    def test_nothing_else_of_the_host_is_rerouted(self) -> None:
        self.enable_mox()
        before = self.lab.isp_leak_count()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            self.assertFalse(self.root_sends().delivered)
            self.assertGreater(self.lab.isp_leak_count(), before, "root's should have been blocked as ever")
            before = self.lab.isp_leak_count()
            self.assertFalse(self.lab.container.send_mail(bound=1).delivered)
            self.assertGreater(self.lab.isp_leak_count(), before, "the container's should have been blocked as ever")
            self.assertEqual(self.seen_as(at.MX, 443, AS_MOX), at.HOME)
            self.assertEqual(self.seen_as(at.MX, 443), at.HOME)
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
        self.assertEqual(inside.packets, [], "nothing of that belongs in the tunnel")

    def test_mail_to_his_own_network_stays_there(self) -> None:
        """The container's port 25 refuses, or answers; that it is reached is what counts."""
        self.enable_mox()
        said = self.as_mox("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{at.CONTAINER}/25")
        self.assertIn("Connection refused", said)

    def test_where_reverse_paths_are_strict(self) -> None:
        self.lab.home.set_sysctls({f"net/ipv4/conf/{name}/rp_filter": 1 for name in ("all", "default", at.TUNNEL, at.UPLINK)})
        with self.nothing_changes(self.lab.home):
            self.enable_mox()
            with self.no_leak():
                self.assert_mail_passes()
            self.egress(self.lab.home, "verify")
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
            self.egress(self.lab.home, "disable")

    def test_beside_masquerades_and_a_firewall_that_lets_answers_in(self) -> None:
        """As ufw and firewalld do it; and one that masquerades all that goes into the tunnel."""
        self.lab.home.run(["iptables", "-t", "nat", "-I", "POSTROUTING", "-o", at.TUNNEL, "-j", "MASQUERADE"])
        self.lab.home.run(["iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT"])
        self.lab.home.run(["iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"])
        self.lab.home.run(["iptables", "-P", "INPUT", "DROP"])
        with self.nothing_changes(self.lab.home):
            self.enable_mox()
            with self.no_leak():
                self.assert_mail_passes()
            self.egress(self.lab.home, "verify")
            self.egress(self.lab.home, "disable")

    def test_a_firewall_that_drops_it_is_named(self) -> None:
        self.enable_mox()
        for chain, rule, check in (("OUTPUT", ("-p", "tcp", "--dport", "25"), "sent"),
                                   ("INPUT", ("-p", "tcp", "--sport", "25"), "received")):
            with self.subTest(chain):
                self.lab.home.run(["iptables", "-A", chain, *rule, "-j", "DROP"])
                report = self.json_of(self.lab.home, "verify", expect=NOT_AS_IT_SHOULD_BE)
                failed = [one for one in report["checks"] if one["outcome"] == "failed"]
                self.assertEqual([one["id"] for one in failed], [check])
                self.assertIn(f"ip filter {chain}", failed[0]["detail"])
                self.assertFalse(self.try_mail().delivered)
                self.lab.home.run(["iptables", "-D", chain, *rule, "-j", "DROP"])
                self.assert_mail_passes()

    def test_a_name_that_nobody_has(self) -> None:
        self.know_user(MOX, "somebody-else")
        for command in ("enable", "plan"):
            with self.nothing_changes(self.lab.home):
                done = self.egress(self.lab.home, command, "mox-home", expect=REFUSED)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assert_said(done, "user mox: there is no such user on this host", "getent passwd")

    def test_a_number_that_became_another(self) -> None:
        self.enable_mox()
        self.know_user(MOX + 1)
        done = self.egress(self.lab.home, "verify", expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, f"user mox is user {MOX + 1} as 10.0.1.2 now", "smtp-egress enable mox-home")
        self.egress(self.lab.home, "enable", "mox-home")
        self.egress(self.lab.home, "verify")
        self.assertNotIn(f"uidrange {MOX}-{MOX}", self.lab.home.output(["ip", "rule"]))
        with self.no_leak():
            sent = self.lab.home.send_mail(before=[word.replace(str(MOX), str(MOX + 1)) for word in AS_MOX])
        self.assert_seen_from_vps(sent)

    def test_the_tunnels_own_address_where_none_is_written(self) -> None:
        by_number = sources({"user": MOX})
        with self.nothing_changes(self.lab.home):
            self.egress(self.lab.home, "enable", "mox-home", *by_number)
            self.egress(self.lab.vps, "enable", "mox-vps")
            with self.no_leak():
                self.assert_mail_passes()
            self.assert_said(self.egress(self.lab.home, "verify"), f"user {MOX} as {at.HOME_TUNNEL}")
            self.egress(self.lab.home, "disable")
        self.lab.home_tunnel.delete()
        with self.nothing_changes(self.lab.home):
            done = self.egress(self.lab.home, "enable", "mox-home", *by_number, expect=REFUSED)
        self.assert_said(done, "wg0 is not there; bring it up first", "or write the address")


class FailsClosed(HostProcess):
    """Not one packet of his to tcp/25 at the ISP's side."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_mox()

    def delete_policy_rules(self) -> None:
        for family in ("-4", "-6"):
            while self.lab.home.run(["ip", family, "rule", "del", "pref", PRIORITY], check=False).returncode == 0:
                pass

    def test_tunnel_down_then_deleted(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home_tunnel.down()
            result = self.try_mail()
            self.assertFalse(result.delivered)
            self.assertLess(result.seconds, 0.9, "he should get an error, not a time-out")
            self.lab.home_tunnel.delete()
            self.assertFalse(self.try_mail().delivered)

    def test_policy_rules_deleted(self) -> None:
        with self.no_leak(), self.knocking():
            self.delete_policy_rules()
            result = self.try_mail()
            self.assertFalse(result.delivered)
            self.assertLess(result.seconds, 0.9, "the guard should refuse, not drop")
            self.egress(self.lab.home, "enable", "mox-home")
            self.assert_mail_passes()

    def test_egress_table_flushed(self) -> None:
        with self.no_leak(), self.knocking():
            self.lab.home.run(["ip", "route", "flush", "table", TABLE])
            self.assertFalse(self.try_mail().delivered)
            self.egress(self.lab.home, "enable", "mox-home")
            self.assert_mail_passes()

    def test_firewall_flushed(self) -> None:
        self.flush_the_firewall_and_lose_the_tunnel()

    def test_a_connection_that_its_process_has_left(self) -> None:
        """What the kernel goes on to send for it is no user's any more: the address tells it."""
        holder = self.lab.home.start([*AS_MOX, "/usr/bin/python3", "-c", _HOLD, at.MX])
        read_until(holder.stdout, b"connected", "the connection")
        with self.no_leak():
            self.lab.vps.run(["nft", "-f", "-"], input=_NOTHING_PASSES)
            holder.stop()
            self.delete_policy_rules()
            poll(lambda: self.refused_by_address() > 0, "the kernel to say once more that it is over")

    def refused_by_address(self) -> int:
        report = self.json_of(self.lab.home, "status", expect=NOT_AS_IT_SHOULD_BE)
        return sum(rule["packets"] for item in report["objects"] for rule in item.get("rules", [])
                   if rule["role"] == "guard" and at.HOME_TUNNEL in rule["rule"])

    def test_from_before_the_tunnel_is_there(self) -> None:
        self.egress(self.lab.home, "disable")
        self.lab.home_tunnel.delete()
        self.egress(self.lab.home, "enable", "mox-home", expect=NOT_AS_IT_SHOULD_BE)
        with self.no_leak(), self.knocking():
            self.assertFalse(self.try_mail().delivered)
            self.lab.home_tunnel.create()
            self.egress(self.lab.home, "enable", "mox-home")
            self.lab.wait_for_tunnel()
            self.assert_mail_passes()


_HOLD = """
import socket, sys, time
held = socket.create_connection((sys.argv[1], 25))
held.recv(4096)  # the greeting: with something unread, closing would be a reset, which is said once
print("connected", flush=True)
time.sleep(60)
"""

_NOTHING_PASSES = """
table inet closed {
    chain forward {
        type filter hook forward priority -300; policy drop;
    }
}
"""


class OverIpv6(HostProcess):
    """The home has an IPv6 uplink, and the MX an IPv6 address."""

    options = Options(ipv6=True)
    servers = (at.MX, at.MX6)

    def test_it_is_refused_where_the_mail_has_no_ipv6_address(self) -> None:
        before = self.lab.isp_leak_count()
        self.assertFalse(self.mox_sends(server=at.MX6, bound=1).delivered)
        self.assertGreater(self.lab.isp_leak_count(), before, "the ISP's block should have been met")
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_mox()
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                refused = self.mox_sends(server=at.MX6)
                self.assertFalse(refused.delivered)
                self.assertLess(refused.seconds, 3, "at once, so that he takes the other family")
                self.egress(self.lab.home, "verify")
                self.lab.home.run(["ip", "-6", "rule", "del", "pref", PRIORITY])
                self.assertFalse(self.mox_sends(server=at.MX6).delivered)
                self.egress(self.lab.home, "enable", "mox-home")
                self.lab.home.run(["nft", "flush", "table", "inet", "smtp-egress-mox-home"])
                self.assertFalse(self.mox_sends(server=at.MX6).delivered)
                self.egress(self.lab.home, "enable", "mox-home")
                self.lab.home.run(["ip", "link", "set", at.TUNNEL, "down"])
                self.assertFalse(self.mox_sends(server=at.MX6).delivered)
            before = self.lab.isp_leak_count()
            self.assertFalse(self.root_sends(server=at.MX6).delivered)
            self.assertGreater(self.lab.isp_leak_count(), before, "root's should have been blocked as ever")
            self.lab.home_tunnel.up()
            self.disable_mox()

    def test_it_leaves_by_the_vps_where_the_tunnel_has_it(self) -> None:
        named = sources({"user": "mox", "address": BOTH})
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.egress(self.lab.home, "enable", "mox-home", *named)
            self.egress(self.lab.vps, "enable", "mox-vps", *sources(*(f"{one}" for one in BOTH)))
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                sent = self.mox_sends(server=at.MX6)
                self.assertTrue(sent.delivered, sent.reason)
                self.assertEqual(sent.seen_from, at.VPS6)
                self.egress(self.lab.home, "verify")
                self.egress(self.lab.vps, "verify")
            with self.nothing_changes(self.lab.home):
                self.egress(self.lab.home, "enable", "mox-home", *named)
            with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
                self.assertEqual(self.seen_as(at.MX6, 443, AS_MOX), at.HOME6)
            self.assertEqual(inside.packets, [])
            self.disable_mox()


class WholeHost(HostProcess):
    options = Options(ipv6=True, home_firewall=HomeFirewall.NONE)
    servers = (at.MX, at.MX6)

    def test_everybodys_mail_leaves_by_the_vps(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_mox(*sources({"user": "*", "address": at.HOME_TUNNEL}))
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                self.assert_seen_from_vps(self.root_sends(bound=4))
                self.assertFalse(self.root_sends(server=at.MX6).delivered)
                self.egress(self.lab.home, "verify")
            with self.no_leak():
                self.lab.home_tunnel.down()
                self.assertFalse(self.root_sends().delivered)
                self.lab.home_tunnel.up()
            self.egress(self.lab.home, "enable", "mox-home", *sources({"user": "*", "address": at.HOME_TUNNEL}))
            before = self.lab.isp_leak_count()
            self.assertFalse(self.lab.container.send_mail(bound=1).delivered)
            self.assertGreater(self.lab.isp_leak_count(), before, "the container is not the host")
            self.assertEqual(self.seen_as(at.MX, 443), at.HOME)
            self.disable_mox()


class ByAddress(HostProcess):
    """The server sends from the address that it listens at, which is not the tunnel's."""

    LISTENING = "10.44.0.10"

    def setUp(self) -> None:
        super().setUp()
        self.lab.home.run(["ip", "address", "add", f"{self.LISTENING}/32", "dev", at.UPLINK])
        self.lab.vps_tunnel.set_allowed_ips(f"{at.HOME_TUNNEL}/32,{self.LISTENING}/32")
        self.lab.vps.run(["ip", "route", "add", f"{self.LISTENING}/32", "dev", at.TUNNEL])
        self.bound_to_it = ("--local-interface", self.LISTENING)

    def test_what_is_sent_from_it_leaves_by_the_vps_and_nothing_else_does(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.egress(self.lab.vps, "enable", "mox-vps", *sources(f"{self.LISTENING}/32"))
            self.egress(self.lab.home, "enable", "mox-home", *sources({"address": self.LISTENING}))
            with self.no_leak():
                self.assert_seen_from_vps(self.mox_sends(further=self.bound_to_it))
                self.assert_seen_from_vps(self.root_sends(bound=4, further=self.bound_to_it))
            self.egress(self.lab.home, "verify")
            self.egress(self.lab.vps, "verify")
            before = self.lab.isp_leak_count()
            self.assertFalse(self.mox_sends(bound=1).delivered)
            self.assertGreater(self.lab.isp_leak_count(), before, "from another address it is no source")
            with self.no_leak():
                self.lab.home.run(["ip", "rule", "del", "pref", PRIORITY])
                self.assertFalse(self.mox_sends(bound=1, further=self.bound_to_it).delivered)
                self.egress(self.lab.home, "enable", "mox-home", *sources({"address": self.LISTENING}))
                self.lab.home_tunnel.down()
                self.assertFalse(self.mox_sends(bound=1, further=self.bound_to_it).delivered)
                self.lab.home_tunnel.up()
            self.egress(self.lab.home, "enable", "mox-home", *sources({"address": self.LISTENING}))
            self.disable_mox()


class BesideContainers(HostProcess):
    def test_each_gets_its_own(self) -> None:
        both = sources(at.CONTAINER_NET, {"user": "mox", "address": at.HOME_TUNNEL})
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.egress(self.lab.vps, "enable", "mox-vps", *sources(at.CONTAINER_NET, f"{at.HOME_TUNNEL}/32"))
            self.egress(self.lab.home, "enable", "mox-home", *both)
            with self.no_leak(), self.knocking(), self.knocking(self.lab.container, ()):
                self.assert_mail_passes()
                self.assert_seen_from_vps(self.lab.container.send_mail())
                self.egress(self.lab.home, "verify")
                self.egress(self.lab.home, "status")
            self.disable_mox()


if __name__ == "__main__":
    unittest.main()
