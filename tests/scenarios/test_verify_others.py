#!/usr/bin/python3
"""verify against other programs' work: what takes, drops or rewrites the mail is named, with what to do about it."""

from __future__ import annotations

import unittest

from scenario import DONE, NOT_AS_IT_SHOULD_BE, Scenario, topology

TUNNEL, BRIDGE, WAN, NET = topology.TUNNEL, topology.BRIDGE, topology.UPLINK, topology.CONTAINER_NET


class Others(Scenario):
    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def failed(self, side: str = "home") -> dict[str, str]:
        """The failed checks by id: everything they say."""
        host = self.lab.home if side == "home" else self.lab.vps
        document = self.json_of(host, "verify", f"mailu-{side}", expect=None)
        failed: dict[str, str] = {}
        for check in document["checks"]:
            if check["outcome"] == "failed":
                failed[check["id"]] = failed.get(check["id"], "") + f"{check['detail']} | {check['mend']}\n"
        self.assertEqual(document["exit"], NOT_AS_IT_SHOULD_BE if failed else DONE)
        return failed

    def assert_only(self, failed: dict[str, str], check: str, *words: str) -> None:
        self.assertEqual(set(failed), {check}, failed)
        for word in words:
            self.assertIn(word, failed[check])

    def assert_mail_is_stuck(self) -> None:
        self.assertFalse(self.try_mail().delivered)


class Rules(Others):
    """Policy rules ahead of ours, that only a lookup for the forwarded packet itself meets."""

    def rule(self, *words: str) -> None:
        self.lab.home.run(["ip", "rule", "add", "pref", "100", *words])

    def test_from_the_sources_network(self) -> None:
        self.rule("from", NET, "lookup", "main")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "route-marked", f"100: from {NET} lookup main", "ip rule del pref 100")

    def test_from_the_bridge(self) -> None:
        self.rule("iif", BRIDGE, "lookup", "main")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "route-marked", f"iif {BRIDGE} lookup main")

    def test_by_port(self) -> None:
        self.rule("ipproto", "tcp", "dport", "25", "lookup", "main")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "route-marked", "ipproto tcp dport 25 lookup main")

    def test_of_one_container(self) -> None:
        self.rule("from", topology.CONTAINER, "lookup", "main")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "route-marked", f"from {topology.CONTAINER}/32 lookup main")

    def test_that_refuses(self) -> None:
        self.rule("from", NET, "prohibit")
        self.assert_mail_is_stuck()
        self.assertIn(f"from {NET} prohibit", self.failed()["route-marked"])

    def test_that_are_none_of_the_mails(self) -> None:
        self.rule("from", "10.99.0.0/16", "lookup", "main")
        self.rule("ipproto", "udp", "lookup", "main")
        self.rule("from", "all", "lookup", "main", "suppress_prefixlength", "0")
        self.assert_mail_passes()
        self.assertEqual(self.failed(), {})

    def test_everything_else_of_the_bridge_into_the_tunnel(self) -> None:
        self.lab.home.run(["ip", "route", "add", "default", "dev", TUNNEL, "table", "300"])
        self.rule("iif", BRIDGE, "fwmark", "0", "ipproto", "tcp", "dport", "443", "lookup", "300")
        self.assert_only(self.failed(), "route-unmarked", "table 300")

    def test_on_the_vps(self) -> None:
        self.lab.vps.run(["ip", "route", "add", "blackhole", "default", "table", "300"])
        self.lab.vps.run(["ip", "rule", "add", "pref", "100", "iif", TUNNEL, "lookup", "300"])
        self.assert_mail_is_stuck()
        self.assertIn("route-out", self.failed("vps"))


class NoDefaultRoute(Others):
    def test_the_tunnels_other_end_cannot_be_reached(self) -> None:
        self.lab.home.run(["ip", "route", "del", "default"])
        failed = self.failed()
        self.assertEqual(set(failed), {"endpoint"})
        for word in (topology.VPS, "Network is unreachable", "uplink"):
            self.assertIn(word, failed["endpoint"])
        self.assertNotIn("Table = off", str(failed))

    def test_a_route_to_the_vps_alone_is_enough(self) -> None:
        """Loose reverse-path filtering drops what the host has no route to at all; by its source, the mail has one."""
        self.lab.home.run(["ip", "route", "del", "default"])
        self.lab.home.run(["ip", "route", "add", f"{topology.VPS}/32", "via", topology.HOME_ROUTER])
        self.assertEqual(self.failed(), {})
        self.assert_mail_passes()

    def test_the_tunnel_through_itself(self) -> None:
        self.lab.home.run(["ip", "route", "add", f"{topology.VPS}/32", "dev", TUNNEL])
        self.assert_only(self.failed(), "endpoint", f"into {TUNNEL} itself")


class Chains(Others):
    def nft(self, text: str, side: str = "home") -> None:
        host = self.lab.home if side == "home" else self.lab.vps
        host.run(["nft", "-f", "-"], input=text)

    def ingress(self, device: str, body: str) -> str:
        return f"""table netdev guard {{ chain early {{
            type filter hook ingress device "{device}" priority 0; policy accept; {body}; }}
        }}"""

    def test_an_ingress_chain_of_the_tunnel_drops_replies(self) -> None:
        self.nft(self.ingress(TUNNEL, "tcp sport 25 drop"))
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "ingress", "netdev guard early", "replies", TUNNEL)

    def test_by_address(self) -> None:
        self.nft(self.ingress(TUNNEL, f"ip daddr {NET} drop"))
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "ingress", "netdev guard early")

    def test_an_ingress_chain_of_the_bridge_drops_the_mail(self) -> None:
        self.nft(self.ingress(BRIDGE, "tcp dport 25 drop"))
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "ingress", "netdev guard early", BRIDGE)

    def test_an_inet_ingress_chain(self) -> None:
        self.nft(f"""table inet guard {{ chain early {{
            type filter hook ingress device "{TUNNEL}" priority 0; policy drop; }}
        }}""")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "ingress", "inet guard early: policy drop")

    def test_of_another_device(self) -> None:
        self.nft(self.ingress("docker0", "tcp sport 25 drop"))
        self.assert_mail_passes()
        self.assertEqual(self.failed(), {})

    def test_on_the_vps(self) -> None:
        self.nft(self.ingress(WAN, f"ip daddr {topology.VPS} tcp sport 25 drop"), "vps")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed("vps"), "ingress", "netdev guard early")

    def test_replies_are_dropped_as_they_leave(self) -> None:
        self.lab.home.run(["iptables", "-t", "mangle", "-A", "POSTROUTING", "-o", BRIDGE, "-p", "tcp", "--sport", "25",
                           "-j", "DROP"])
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "leaves", "replies", "ip mangle POSTROUTING")

    def test_mail_to_the_public_address_is_dropped_behind_snat(self) -> None:
        self.nft(f"""table ip late {{ chain post {{
            type filter hook postrouting priority 150; policy accept;
            ip saddr {topology.VPS} tcp dport 25 drop; }}
        }}""", "vps")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed("vps"), "leaves", "ip late post")

    def test_the_mail_is_redirected(self) -> None:
        """A transparent proxy of somebody's."""
        self.lab.home.run(["iptables", "-t", "nat", "-I", "PREROUTING", "-s", NET, "-p", "tcp", "--dport", "25",
                           "-j", "DNAT", "--to-destination", "10.99.0.1"])
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "destination", "ip nat PREROUTING")


class Legacy(Others):
    """iptables-legacy's tables work beside nf_tables, which does not show them."""

    def legacy(self, *words: str, side: str = "home") -> None:
        host = self.lab.home if side == "home" else self.lab.vps
        host.run(["iptables-legacy", *words])

    def test_tables_without_rules_do_no_harm(self) -> None:
        self.legacy("-S")
        self.legacy("-t", "raw", "-S")
        self.assert_mail_passes()
        self.assertEqual(self.failed(), {})

    def test_forward_drops(self) -> None:
        self.legacy("-P", "FORWARD", "DROP")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "legacy-iptables", "filter FORWARD", "policy drop", "iptables-legacy")

    def test_a_rule_drops(self) -> None:
        self.legacy("-N", "USER")
        self.legacy("-A", "USER", "-o", TUNNEL, "-p", "tcp", "--dport", "25", "-j", "DROP")
        self.legacy("-A", "FORWARD", "-s", NET, "-j", "USER")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "legacy-iptables", "filter USER", "tcp dport 25", "drop")

    def test_replies_are_dropped_in_raw(self) -> None:
        self.legacy("-t", "raw", "-A", "PREROUTING", "-i", TUNNEL, "-d", NET, "-j", "DROP")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "legacy-iptables", "raw PREROUTING")

    def test_rules_that_let_the_mail_through(self) -> None:
        """A firewall with its rules in the order of iptables: decoded, and walked like any other."""
        self.legacy("-P", "FORWARD", "DROP")
        self.legacy("-A", "FORWARD", "-p", "udp", "-j", "DROP")
        self.legacy("-A", "FORWARD", "!", "-i", "eth+", "-s", NET, "-p", "tcp", "--dport", "25", "-j", "ACCEPT")
        self.legacy("-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-d", NET, "-j", "ACCEPT")
        self.assert_mail_passes()
        self.assertEqual(self.failed(), {})

    def test_on_the_vps(self) -> None:
        self.legacy("-A", "FORWARD", "-i", TUNNEL, "-j", "REJECT", side="vps")
        self.assert_mail_is_stuck()
        self.assert_only(self.failed("vps"), "legacy-iptables", "filter FORWARD", "reject")


class Mends(Others):
    def test_a_drop_that_enable_does_not_mend_is_not_said_to_be_mended_by_it(self) -> None:
        self.lab.home.run(["iptables", "-t", "mangle", "-I", "PREROUTING", "-i", TUNNEL, "-p", "tcp", "--sport", "25",
                           "-j", "DROP"])
        failed = self.failed()
        self.assert_only(failed, "replies-arrive", "remove or move")
        self.assertNotIn("smtp-egress enable", failed["replies-arrive"])


if __name__ == "__main__":
    unittest.main()
