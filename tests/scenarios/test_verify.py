#!/usr/bin/python3
"""verify judges: with all well it says so, and each fault is told with its cause and its mend."""

from __future__ import annotations

import unittest

from scenario import DONE, NOT_AS_IT_SHOULD_BE, NOT_ENABLED, Options, Scenario, topology

TUNNEL, BRIDGE, WAN, NET = topology.TUNNEL, topology.BRIDGE, topology.UPLINK, topology.CONTAINER_NET


class Verify(Scenario):
    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def assert_home_faults(self, *words: str) -> None:
        self.assert_said(self.egress(self.lab.home, "verify", "mailu-home", expect=NOT_AS_IT_SHOULD_BE), *words)

    def assert_vps_faults(self, *words: str) -> None:
        self.assert_said(self.egress(self.lab.vps, "verify", "mailu-vps", expect=NOT_AS_IT_SHOULD_BE), *words)


class AllWell(Verify):
    def test_both_sides(self) -> None:
        self.egress(self.lab.home, "verify", "mailu-home", expect=DONE)
        self.egress(self.lab.vps, "verify", "mailu-vps", expect=DONE)
        self.egress(self.lab.home, "status", "mailu-home", expect=DONE)
        self.egress(self.lab.vps, "status", "mailu-vps", expect=DONE)

    def test_it_counts_what_status_lists(self) -> None:
        for host, name in ((self.lab.home, "mailu-home"), (self.lab.vps, "mailu-vps")):
            listed = [line for line in self.egress(host, "status", name).stdout.splitlines()
                      if line.startswith("  present ")]
            self.assert_said(self.egress(host, "verify", name), f"all {len(listed)} that `status` lists")

    def test_json_is_one_document_with_a_version(self) -> None:
        for command in ("status", "verify", "plan"):
            with self.subTest(command=command):
                document = self.json_of(self.lab.home, command, "mailu-home")
                self.assertIsInstance(document, dict)
                self.assertTrue(any("version" in key for key in document), f"no version in {sorted(document)}")

    def test_not_enabled_has_its_own_exit_code(self) -> None:
        self.disable_both()
        for command in ("status", "verify"):
            self.egress(self.lab.home, command, "mailu-home", expect=NOT_ENABLED)
            self.egress(self.lab.vps, command, "mailu-vps", expect=NOT_ENABLED)


class HomeFaults(Verify):
    def test_tunnel_down(self) -> None:
        self.lab.home_tunnel.down()
        self.assert_home_faults(TUNNEL, "down")

    def test_tunnel_gone(self) -> None:
        self.lab.home_tunnel.delete()
        self.assert_home_faults(TUNNEL)

    def test_allowed_ips_do_not_cover_the_internet(self) -> None:
        self.lab.home_tunnel.set_allowed_ips(topology.TUNNEL_NET)
        self.assert_home_faults("AllowedIPs", "0.0.0.0/0")

    def test_strict_rp_filter(self) -> None:
        self.lab.home.set_sysctls({f"net/ipv4/conf/{TUNNEL}/rp_filter": 1, "net/ipv4/conf/all/rp_filter": 1})
        self.assert_home_faults("rp_filter", TUNNEL)

    def test_forwarding_off(self) -> None:
        self.lab.home.set_sysctls({"net/ipv4/ip_forward": 0})
        self.assert_home_faults("forward")

    def test_policy_rule_removed(self) -> None:
        self.lab.home.run(["ip", "rule", "del", "pref", "10025"])
        self.assert_home_faults("rule", "10025")

    def test_a_rule_before_ours_takes_the_mail(self) -> None:
        self.lab.home.run(["ip", "rule", "add", "pref", "100", "fwmark", "0x19", "lookup", "main"])
        self.assert_home_faults("rule", "100")

    def test_tunnel_route_removed(self) -> None:
        self.lab.home.run(["ip", "route", "del", "default", "dev", TUNNEL, "table", "100"])
        self.assert_home_faults("route", "100", TUNNEL)

    def test_admission_removed(self) -> None:
        self.lab.home.run(["iptables", "-F", "DOCKER-USER"])
        self.assert_home_faults("DOCKER-USER")

    def test_a_drop_in_front_of_the_admission(self) -> None:
        self.lab.home.run(["iptables", "-I", "DOCKER-USER", "-o", TUNNEL, "-j", "DROP"])
        self.assertFalse(self.try_mail().delivered)
        self.assert_home_faults("DOCKER-USER", "drop")

    def test_a_drop_in_front_of_the_raw_exception(self) -> None:
        self.lab.home.run(["iptables", "-t", "raw", "-I", "PREROUTING", "-i", TUNNEL, "-j", "DROP"])
        self.assert_home_faults("raw", "drop")

    def test_the_raw_exception_removed(self) -> None:
        self.lab.home.run(["iptables", "-t", "raw", "-D", "PREROUTING", "1"])
        self.assert_home_faults("raw")


class HomeWithoutHandshake(Verify):
    """Up, configured, and nobody answers."""

    options = Options(tunnel=False)

    def setUp(self) -> None:
        Scenario.setUp(self)
        self.lab.home_tunnel.create()

    def test_it_is_told(self) -> None:
        self.egress(self.lab.home, "enable", "mailu-home", "--tunnel", TUNNEL, expect=None)
        self.assert_home_faults("handshake")


class VpsFaults(Verify):
    def test_tunnel_down(self) -> None:
        self.lab.vps_tunnel.down()
        self.assert_vps_faults(TUNNEL, "down")

    def test_allowed_ips_do_not_cover_the_sources(self) -> None:
        self.lab.vps_tunnel.set_allowed_ips(f"{topology.HOME_TUNNEL}/32")
        self.assert_vps_faults("AllowedIPs", NET)

    def test_forwarding_off(self) -> None:
        self.lab.vps.set_sysctls({"net/ipv4/ip_forward": 0})
        self.assert_vps_faults("forward")

    def test_public_address_missing(self) -> None:
        self.lab.vps.ip_batch(f"""
            address del {topology.VPS}/24 dev {WAN}
            address add 203.0.113.11/24 dev {WAN}
            route replace default via {topology.VPS_ROUTER} dev {WAN}
        """)
        self.assert_vps_faults(topology.VPS, WAN)

    def test_the_way_to_the_internet_missing(self) -> None:
        """What was found when it was enabled is remembered: without a default route verify judges, disable works."""
        self.lab.vps.run(["ip", "route", "del", "default"])
        self.assert_vps_faults("route")
        self.egress(self.lab.vps, "disable", "mailu-vps")

    def test_route_back_missing(self) -> None:
        self.lab.vps.run(["ip", "route", "del", NET])
        self.assert_vps_faults("route", NET, TUNNEL)

    def test_a_drop_in_front_of_the_admission(self) -> None:
        self.lab.vps.run(["iptables", "-I", "FORWARD", "-i", TUNNEL, "-j", "DROP"])
        self.assert_vps_faults("FORWARD", "drop")

    def test_snat_removed(self) -> None:
        """One of our own rules, taken out by hand."""
        listing = self.lab.vps.output(["nft", "-a", "list", "ruleset"])
        snat = next(line for line in listing.splitlines() if "snat" in line and f"to {topology.VPS}" in line)
        family, table, chain = self.place_of(listing, snat)
        self.lab.vps.run(["nft", "delete", "rule", family, table, chain, "handle", snat.rsplit(" ", 1)[1]])
        self.assert_vps_faults("address", "missing")

    def place_of(self, listing: str, wanted: str) -> tuple[str, str, str]:
        family = table = chain = ""
        for line in listing.splitlines():
            words = line.split()
            if words[:1] == ["table"]:
                family, table = words[1:3]
            elif words[:1] == ["chain"]:
                chain = words[1]
            elif line == wanted:
                break
        return family, table, chain


if __name__ == "__main__":
    unittest.main()
