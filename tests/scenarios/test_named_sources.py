#!/usr/bin/python3
"""Sources by name: a network that only Docker knows, an interface's own. The daemon here is a stand-in, for what a real
one does not do; tests/neighbours/test_docker.py has that.
"""

from __future__ import annotations

import contextlib
import json
import unittest

from scenario import ENABLE_VPS, NOT_AS_IT_SHOULD_BE, PROGRAM, REFUSED, Scenario, topology as at

from docker_daemon import ANYTHING, SILENCE, SOCKET, docker_daemon, http

BY_DOCKER = ("enable", "home", "--tunnel", at.TUNNEL, "--docker-network", "mailu_default")
BY_INTERFACE = ("enable", "home", "--tunnel", at.TUNNEL, "--set", f'sources=[{{"interface": "{at.BRIDGE}"}}]')


def network(*subnets: str, name: str = "mailu_default", driver: str = "bridge") -> str:
    config = [{"Subnet": subnet} for subnet in subnets]
    return http(json.dumps({"Name": name, "Driver": driver, "IPAM": {"Config": config}}))


class NamedSources(Scenario):
    def docker(self, answer: str) -> contextlib.AbstractContextManager[None]:
        """One that answers every question alike."""
        return docker_daemon(self.lab.home, {ANYTHING: answer})

    def test_a_mail_from_a_network_that_docker_names(self) -> None:
        before = self.lab.snapshot(self.lab.home)
        with self.docker(network(at.CONTAINER_NET)):
            self.assert_said(self.egress(self.lab.home, "plan", *BY_DOCKER[1:]), at.CONTAINER_NET)
            self.egress(self.lab.vps, *ENABLE_VPS)
            self.assert_said(self.egress(self.lab.home, *BY_DOCKER), at.CONTAINER_NET, "docker network mailu_default")
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
            self.assert_said(self.egress(self.lab.home, "verify", "home"), "mailu_default is " + at.CONTAINER_NET)
            with self.nothing_changes(self.lab.home):
                self.egress(self.lab.home, *BY_DOCKER)
        with self.docker(network("172.18.0.0/16")):  # composed anew
            done = self.egress(self.lab.home, "verify", "home", expect=NOT_AS_IT_SHOULD_BE)
            self.assert_said(done, "172.18.0.0/16 now", "smtp-egress enable home")
        self.egress(self.lab.home, "disable", "home")
        self.assert_same(before, self.lab.snapshot(self.lab.home))

    def test_a_mail_from_the_networks_of_an_interface(self) -> None:
        before = self.lab.snapshot(self.lab.home)
        self.egress(self.lab.vps, *ENABLE_VPS)
        self.egress(self.lab.home, *BY_INTERFACE)
        with self.no_leak(), self.knocking():
            self.assert_mail_passes()
        self.egress(self.lab.home, "verify", "home")
        self.egress(self.lab.home, "disable", "home")
        self.assert_same(before, self.lab.snapshot(self.lab.home))

    def assert_refused(self, *words: str, enable: tuple[str, ...] = BY_DOCKER) -> None:
        """In one line, and nothing is touched."""
        with self.nothing_changes(self.lab.home):
            done = self.egress(self.lab.home, *enable, expect=REFUSED)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assert_said(done, *words)

    def test_daemons_that_are_none(self) -> None:
        good = network(at.CONTAINER_NET)
        for what, answer, word in (
                ("does not know it", http('{"message": "not found"}', 404), "docker network ls"),
                ("fails", http('{"message": "out of order"}', 500), "500: out of order"),
                ("knows another", network(at.CONTAINER_NET, name="mailu_default2"), "mailu_default2"),
                ("has it of another driver", network(at.CONTAINER_NET, driver="ipvlan"), "ipvlan"),
                ("has no subnet for it", network(), "no subnet"),
                ("has nonsense for it", network("192.168.203.0/99"), "one of its subnets is none"),
                ("has the internet for it", network("0.0.0.0/0"), "whole internet"),
                ("sends garbage", "\x00\x01\x02", "no answer that can be read"),
                ("sends mail's greeting", "220 mx ESMTP\r\n", "no answer that can be read"),
                ("sends JSON cut short", http('{"Name": "mailu_'), "no json object"),
                ("sends half an answer", good[:-9], "no answer that can be read"),
                ("sends nothing", SILENCE, "closed due to a timeout")):
            with self.subTest(f"a daemon that {what}"), self.docker(answer):
                self.assert_refused("network 'mailu_default'" if word != "whole internet" else "as found here", word)

    def test_no_daemon(self) -> None:
        self.assert_refused(SOCKET, "No such file or directory; start Docker")
        with self.docker(""):
            pass
        self.assert_refused(SOCKET, "Connection refused; start Docker")
        with self.nothing_changes(self.lab.home):
            done = self.lab.home.run(["env", "DOCKER_HOST=tcp://192.0.2.1:2375", PROGRAM, *BY_DOCKER], check=False)
        self.assertEqual(done.returncode, REFUSED)
        self.assert_said(done, "DOCKER_HOST", "no socket of this host")

    def test_an_interface_that_is_not_there(self) -> None:
        self.assert_refused("interface incusbr0: is not there",
                            enable=(*BY_INTERFACE[:-1], 'sources=[{"interface": "incusbr0"}]'))


if __name__ == "__main__":
    unittest.main()
