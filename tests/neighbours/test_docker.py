#!/usr/bin/python3
"""Debian's dockerd with its iptables backend: starts, restarts, networks and containers that come and go."""

from __future__ import annotations

import json
import unittest

import closed_ports
import engine_neighbour
from docker_neighbour import DockerNeighbour
from neighbour import IPV6, topology

from lab.engine import NETWORK


class AtWork(closed_ports.ClosedPorts, engine_neighbour.AnyEngine, engine_neighbour.OtherNetworks):
    def test_a_day(self) -> None:
        self.assert_a_day(self.restart_daemon)

    def test_its_rules_can_be_listed_whatever_it_does(self) -> None:
        self.enable_both()
        with self.rules_listed():
            self.assert_kept()
        with self.rules_listed():
            self.engine.create_network("blog_default", "192.168.77.0/24")
            self.engine.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.compose_down_and_up()
        with self.rules_listed():
            self.restart_daemon()
            self.enable()
            self.assert_kept()

    def test_other_traffic_keeps_its_way(self) -> None:
        self.enable_both()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_compose_down_and_up_is_told_and_mended(self) -> None:
        """What was made for the former bridge is missing for the new one: told, and the rest is not made anew."""
        self.enable_both()
        former = self.bridge
        self.compose_down_and_up()
        self.assertNotEqual(self.bridge, former)
        told = self.json_of(self.lab.home, "status", self.instance, expect=1)
        astray = [item["object"] for item in told["objects"] if item["state"] not in ("present", "waiting")]
        self.assertTrue(astray)
        mended = self.json_of(self.lab.home, "enable", self.instance, "--tunnel", topology.TUNNEL)
        self.assertLessEqual(len(mended["changes"]), len(astray) + 1, f"{mended['changes']}\nmissing: {astray}")
        self.assert_kept()

    def test_sources_by_the_networks_name(self) -> None:
        enable = ("enable", "home", "--tunnel", topology.TUNNEL, "--docker-network", NETWORK)
        self.enable_vps()
        self.egress(self.lab.home, *enable)
        for compose in (lambda: None, self.compose_down_and_up):
            compose()
            self.egress(self.lab.home, *enable)
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
            self.assert_said(self.egress(self.lab.home, "verify", "home"), f"{NETWORK} is {self.subnet}")
        self.egress(self.lab.home, "disable", "home")

    def test_init_finds_the_stack_in_what_the_daemon_says(self) -> None:
        """By its network's name, and by a mail server's container as soon as one runs."""
        compose = ("--label", "com.docker.compose.project=mailu", "--label", "com.docker.compose.service=smtp")
        self.assert_found_by("by its name")
        self.engine.run_container("mailu-smtp-1", *compose)
        self.assert_found_by("container mailu-smtp-1")

    def assert_found_by(self, why: str) -> None:
        done = self.egress(self.lab.home, "init", "home", "--yes", "--print")
        self.assertEqual(json.loads(done.stdout)["sources"], [{"docker_network": NETWORK}], done.stderr)
        self.assert_said(done, f"docker network {NETWORK}, {self.subnet} ({why})")

    def test_while_the_stack_is_down_the_guard_is_not_denied(self) -> None:
        """No bridge has the source's network then. The guard, which asks for the source address, stands all the same."""
        self.enable_both()
        self.compose_down()
        said = self.egress(self.lab.home, "verify", self.instance, expect=None).stdout
        self.assertNotIn("not guarded", said)

    def test_forwarding_stays_on_while_docker_is_there(self) -> None:
        self.enable_both()
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


class DualStack(DockerNeighbour):
    family = IPV6

    def test_an_ipv6_day(self) -> None:
        self.assert_a_day(self.restart_daemon)


class LiveRestore(DockerNeighbour):
    daemon_options = ("--live-restore",)

    def test_the_daemon_restarts_beside_its_containers(self) -> None:
        """The container never stops opening connections: none of them leaves by the uplink."""
        self.enable_both()
        running = self.lab.container.inner_pid
        with self.rules_listed(), self.knocking():
            self.restart_daemon()
        self.assertEqual(self.lab.container.inner_pid, running)
        self.assert_kept()


class Undone(DockerNeighbour):
    """After disable, Docker's rules are as they would be, had smtp-egress never been there."""

    def test_after_compose_down_and_up(self) -> None:
        self.assert_left_as_without_us(self.compose_down_and_up)

    def test_after_new_networks_and_containers(self) -> None:
        def add() -> None:
            self.engine.run_container("rspamd")
            self.engine.create_network("blog_default", "192.168.77.0/24")
            self.engine.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.engine("rm", "--force", "rspamd")

        self.assert_left_as_without_us(add)


class Before(DockerNeighbour):
    """smtp-egress is enabled before Docker's daemon is there: at boot, without an order between them."""

    def begin(self) -> None:
        self.egress(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL, expect=None)
        self.enable_vps()
        super().begin()

    def test_what_is_missing_is_told_and_mended(self) -> None:
        with self.rules_listed():
            self.assert_told_and_mended()

    def test_docker_drops_what_is_forwarded_as_it_does_without_us(self) -> None:
        """It does so where it has switched forwarding on itself, and not where it was on before."""
        self.assertIn("-P FORWARD DROP", self.engine.system.run(["iptables", "-S", "FORWARD"]).stdout)

    def test_disable_leaves_dockers_forwarding_on(self) -> None:
        self.enable()
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


if __name__ == "__main__":
    unittest.main()
