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
        self.assertEqual(set(failed), {"endpoint", "route-back"})
        for word in (topology.VPS, "Network is unreachable", "uplink"):
            self.assertIn(word, failed["endpoint"])
        self.assertNotIn("Table = off", str(failed))

    def test_a_route_to_the_vps_alone_is_not_enough(self) -> None:
        """Loose reverse-path filtering drops what the host has no route to at all."""
        self.lab.home.run(["ip", "route", "del", "default"])
        self.lab.home.run(["ip", "route", "add", f"{topology.VPS}/32", "via", topology.HOME_ROUTER])
        self.assert_mail_is_stuck()
        self.assert_only(self.failed(), "route-back", "no default route", "reverse-path")
        self.lab.home.set_sysctls({f"net/ipv4/conf/{at}/rp_filter": 0 for at in ("all", TUNNEL)})
        self.assert_mail_passes()
        self.assertNotIn("route-back", self.failed())

    def test_the_tunnel_through_itself(self) -> None:
        self.lab.home.run(["ip", "route", "add", f"{topology.VPS}/32", "dev", TUNNEL])
        self.assert_only(self.failed(), "endpoint", f"into {TUNNEL} itself")


if __name__ == "__main__":
    unittest.main()
