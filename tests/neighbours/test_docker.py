#!/usr/bin/python3
"""Debian's dockerd with its iptables backend: starts, restarts, networks and containers that come and go."""

from __future__ import annotations

import unittest

from docker_host import DockerNeighbour
from neighbour import topology
from unpublished import assert_unpublished

OTHER_NET = "192.168.77.0/24"


class AtWork(DockerNeighbour):
    """What Docker does while smtp-egress is enabled."""

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def test_mail_passes(self) -> None:
        with self.rules_listed():
            self.assert_kept()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)

    def test_the_daemon_restarts_with_its_containers(self) -> None:
        with self.rules_listed():
            self.restart_docker()
            self.assert_kept()

    def test_a_new_container_sends_mail_too(self) -> None:
        with self.rules_listed():
            second = self.docker.run_container("rspamd")
            self.assert_seen_from_vps(second.send_mail())
            self.docker("restart", "--timeout", "0", "rspamd")
            self.assert_seen_from_vps(self.docker.container("rspamd").send_mail())
            self.docker("rm", "--force", "rspamd")
            self.assert_kept()

    def test_another_network_keeps_its_ways(self) -> None:
        with self.rules_listed():
            self.docker.create_network("blog_default", OTHER_NET)
            other = self.docker.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.assertEqual(other.seen_as(topology.MX, 443), topology.HOME)
            self.assert_kept()
            self.docker("rm", "--force", "blog")
            self.docker("network", "rm", "blog_default")
            self.assert_kept()

    def test_compose_down_and_up(self) -> None:
        """The network comes back with a bridge of another name."""
        former = self.bridge
        with self.rules_listed():
            self.compose_down()
            self.compose_up()
            self.assertNotEqual(self.bridge, former)
            self.assert_mail_passes()
            self.enable()
            self.assert_kept()

    def test_compose_down_and_up_is_told_and_mended(self) -> None:
        """What was made for the former bridge is missing for the new one: told, and the rest is not made anew."""
        self.compose_down()
        self.compose_up()
        told = self.json_of(self.lab.home, "status", "mailu-home", expect=1)
        astray = [item["object"] for item in told["objects"] if item["state"] not in ("present", "waiting")]
        self.assertTrue(astray)
        mended = self.json_of(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL)
        self.assertLessEqual(len(mended["changes"]), len(astray) + 1, f"{mended['changes']}\nmissing: {astray}")
        self.assert_kept()

    def test_unpublished_ports_are_closed_to_the_vps(self) -> None:
        assert_unpublished(self)
        self.assert_kept()

    def test_forwarding_stays_on_while_docker_is_there(self) -> None:
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


class LiveRestore(DockerNeighbour):
    daemon_options = ("--live-restore",)

    def test_the_daemon_restarts_beside_its_containers(self) -> None:
        """The container never stops opening connections: none of them leaves by the uplink."""
        self.enable_both()
        running = self.lab.container.inner_pid
        with self.rules_listed(), self.knocking():
            self.restart_docker()
        self.assertEqual(self.lab.container.inner_pid, running)
        self.assert_kept()


class Undone(DockerNeighbour):
    """After disable, Docker's rules are as they would be, had smtp-egress never been there."""

    def test_after_a_mail(self) -> None:
        self.assert_docker_left_as_without_us(lambda: self.lab.container.send_mail(bound=1))

    def test_after_a_restart(self) -> None:
        self.assert_docker_left_as_without_us(self.restart_docker)

    def test_after_compose_down_and_up(self) -> None:
        def down_and_up() -> None:
            self.compose_down()
            self.compose_up()
        self.assert_docker_left_as_without_us(down_and_up)

    def test_after_new_networks_and_containers(self) -> None:
        def add() -> None:
            self.docker.run_container("rspamd")
            self.docker.create_network("blog_default", OTHER_NET)
            self.docker.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.docker("rm", "--force", "rspamd")
        self.assert_docker_left_as_without_us(add)


class Before(DockerNeighbour):
    """smtp-egress is enabled before Docker's daemon is there: at boot, without an order between them."""

    def begin(self) -> None:
        self.egress(self.lab.home, "enable", "mailu-home", "--tunnel", topology.TUNNEL, expect=None)
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", topology.VPS)
        super().begin()

    def test_what_is_missing_is_told_and_mended(self) -> None:
        with self.rules_listed():
            self.assert_told_and_mended()

    def test_docker_drops_what_is_forwarded_as_it_does_without_us(self) -> None:
        """It does so where it has switched forwarding on itself, and not where it was on before."""
        self.assertIn("-P FORWARD DROP", self.docker.iptables("-S", "FORWARD").stdout)

    def test_disable_leaves_dockers_forwarding_on(self) -> None:
        self.enable()
        self.disable_both()
        self.assertEqual(self.lab.home.sysctl("net/ipv4/ip_forward"), "1")
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


if __name__ == "__main__":
    unittest.main()
