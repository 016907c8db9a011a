#!/usr/bin/python3
"""Every way that a home profile can be set, behind each of Docker's firewalls: nat x steering x docker.

Each: a mail from the VPS's address, no leak, verify and a second enable content, nothing of Docker's written into where
that is promised, no way in to a port that Docker does not publish, exact undo.
"""

from __future__ import annotations

import itertools
import unittest

from scenario import ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, HomeFirewall, Options, Scenario, topology as at

from lab.firewall import load_docker_nftables

NATS, STEERINGS = ("preserve", "masquerade"), ("mark", "rule")
UNPUBLISHED = 8080
VPS_SOURCE = {"preserve": at.CONTAINER_NET, "masquerade": f"{at.HOME_TUNNEL}/32"}

# One attempt to open a connection from a port, SYN or not; prints what comes back.
KNOCK_FROM = """
import socket, sys
knock = socket.socket()
knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
knock.bind((sys.argv[1], int(sys.argv[2])))
knock.settimeout(0.7)
try:
    knock.connect((sys.argv[3], int(sys.argv[4])))
    print("connected")
except OSError as error:
    print(error)
"""


class Variants(Scenario):
    """Behind Docker's iptables-nft rules."""

    dockers: tuple[str, ...] = ("auto", "exception", "sidestep")

    def prepare(self) -> None:
        """Puts the firewall there that is not the lab's own."""

    def dockers_rules(self) -> str:
        return "".join(self.lab.home.output(["iptables", "-t", table, "-S"]) for table in ("raw", "filter", "nat"))

    def untouched(self, nat: str, docker: str) -> bool:
        """Is nothing of Docker's written into?"""
        return nat == "masquerade"

    def assert_closed(self) -> None:
        """What Docker does not publish, no one reaches from the VPS (FACTS 25)."""
        listener = self.lab.container.start(["/usr/bin/python3", "-m", "http.server", str(UNPUBLISHED)])
        try:
            for port in (25, 40000):
                said = self.lab.vps.output(["/usr/bin/python3", "-c", KNOCK_FROM, at.VPS_TUNNEL, str(port),
                                            at.CONTAINER, str(UNPUBLISHED)])
                self.assertNotIn("connected", said, f"from port {port}")
        finally:
            listener.stop()

    def test_each(self) -> None:
        self.prepare()
        fresh = self.lab.snapshot(self.lab.home)
        rules = self.dockers_rules()
        for nat, steering, docker in itertools.product(NATS, STEERINGS, self.dockers):
            with self.subTest(nat=nat, steering=steering, docker=docker):
                enable = (*ENABLE_HOME, "--set", f"nat={nat}", "--set", f"steering={steering}",
                          "--set", f"docker={docker}")
                self.egress(self.lab.vps, *ENABLE_VPS, "--subnet", VPS_SOURCE[nat])
                self.egress(self.lab.home, *enable)
                with self.no_leak(), self.knocking():
                    self.assert_mail_passes()
                self.egress(self.lab.home, "verify", "mailu-home")
                with self.nothing_changes(self.lab.home):
                    self.egress(self.lab.home, *enable)
                if self.untouched(nat, docker):
                    self.assertEqual(rules, self.dockers_rules())
                if steering == "rule":
                    self.assertEqual("0", self.lab.home.sysctl(f"net/ipv4/conf/{at.TUNNEL}/rp_filter"))
                self.assert_closed()
                with self.no_leak(), self.knocking():
                    self.lab.home_tunnel.down()
                    self.assertFalse(self.try_mail().delivered)
                self.lab.home_tunnel.up()
                self.egress(self.lab.home, *enable)
                self.lab.wait_for_tunnel()
                self.egress(self.lab.home, "disable", "mailu-home")
                self.assert_same(fresh, self.lab.snapshot(self.lab.home))


class VariantsBesideNftablesBackend(Variants):
    """Docker's own table is never written into; `auto` sidesteps it."""

    options = Options(home_firewall=HomeFirewall.NONE)
    dockers = ("auto", "sidestep")

    def prepare(self) -> None:
        load_docker_nftables(self.lab.home)

    def dockers_rules(self) -> str:
        return self.lab.home.output(["nft", "-s", "list", "table", "ip", "docker-bridges"])

    def untouched(self, nat: str, docker: str) -> bool:
        return True

    def test_plan_says_what_was_found_and_chosen(self) -> None:
        self.prepare()
        plan = self.egress(self.lab.home, "plan", "mailu-home")
        self.assert_said(plan, "nftables backend", "sidestep")


class VariantsWithStrictFiltering(Scenario):
    options = Options(home_rp_filter=1)

    def test_steering_by_rule_needs_no_sysctl(self) -> None:
        self.enable_vps()
        self.egress(self.lab.home, *ENABLE_HOME, "--set", "steering=rule")
        self.assertEqual("1", self.lab.home.sysctl("net/ipv4/conf/all/rp_filter"))
        self.assert_mail_passes()
        self.egress(self.lab.home, "verify", "mailu-home")


class BackendSwitched(Scenario):
    def test_docker_switched_to_its_nftables_backend_is_told_and_mended(self) -> None:
        self.enable_both()
        load_docker_nftables(self.lab.home)
        self.assert_said(self.egress(self.lab.home, "verify", "mailu-home", expect=NOT_AS_IT_SHOULD_BE), "sidestep")
        self.enable_home()
        self.assert_mail_passes()
        self.egress(self.lab.home, "verify", "mailu-home")


if __name__ == "__main__":
    unittest.main()
