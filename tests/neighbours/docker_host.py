"""Home with a real dockerd: the mail stack is the container `front` on mailu_default, port 25 published, as Mailu's."""

from __future__ import annotations

import contextlib
import re
from typing import Callable, Iterator

from neighbour import Neighbour, Options, rules_of, topology

from lab import HomeFirewall, Host
from lab.docker import NETWORK, Container, Docker

TABLES = ("raw", "filter", "nat", "mangle")
UNREADABLE = ("incompatible", "unsupported", "# Warning")

_NOT_RULES = re.compile(r"^#.*\n| \[\d+:\d+\]$", re.MULTILINE)  # the time, and the policies' counters
_MADE_UP_NAME = re.compile(r"(?<![0-9a-z])(br(?=-)|veth)-?[0-9a-f]{7,12}\b")


def without_made_up_names(text: str) -> str:
    """Docker draws the names of bridges and their ports by lot; here they are numbered as they appear."""
    numbered: dict[str, str] = {}
    return _MADE_UP_NAME.sub(lambda found: numbered.setdefault(found[0], f"{found[1]}-{len(numbered) + 1}"), text)


class DockerNeighbour(Neighbour):
    options = Options(home_firewall=HomeFirewall.DOCKERD)
    daemon_options: tuple[str, ...] = ()
    alternative: str | None = None  # the iptables that Docker uses, where it is not the chroot's own default

    docker: Docker
    bridge: str  # of NETWORK

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self) -> None:
        """dockerd, and the mail stack in it."""
        self.docker = Docker(self.lab.home, self.lab.mx, *self.daemon_options, iptables=self.alternative)
        self.compose_up()

    def compose_up(self) -> Container:
        self.bridge = self.docker.create_network()
        front = self.docker.run_container("front", "--ip", topology.CONTAINER, "--publish", "25:25")
        self.lab.container = front
        return front

    def compose_down(self) -> None:
        self.docker("rm", "--force", "front")
        self.docker("network", "rm", NETWORK)

    def restart_docker(self) -> None:
        self.docker.restart()
        self.lab.container = self.docker.container("front")

    def assert_dockers_rules_list(self) -> None:
        """By the iptables that dockerd uses, and by the machine's, which may be another version: no complaint."""
        for run in (self.docker.system.run, self.lab.home.run):
            for words in (["iptables-save"], *(["iptables", "-t", table, "-S"] for table in TABLES)):
                done = run(words)
                for complaint in UNREADABLE:
                    self.assertNotIn(complaint, done.stderr + done.stdout, " ".join(words))

    def dockers_iptables(self) -> str:
        """All that the iptables of dockerd's tells; iptables-legacy's rules are to be seen by no other program."""
        return _NOT_RULES.sub("", self.docker.system.run(["iptables-save"]).stdout)

    @contextlib.contextmanager
    def rules_listed(self) -> Iterator[None]:
        """No tcp/25 by the ISP inside the block, and Docker's rules can be read before and after it."""
        self.assert_dockers_rules_list()
        with self.no_leak():
            yield
        self.assert_dockers_rules_list()

    def firewall_and_routes(self, host: Host) -> str:
        """Rules, policy rules, routes, and ip_forward; other sysctls are born with an interface and stay so."""
        told, _, sysctls = self.lab.snapshot(host).partition("== sysctl\n")
        forwarding = next(line for line in sysctls.splitlines() if line.startswith("ipv4/ip_forward "))
        return without_made_up_names("\n".join([self.dockers_iptables(), rules_of(host), told, forwarding]))

    def assert_docker_left_as_without_us(self, work: Callable[[], object]) -> None:
        """The same steps in two labs, one of them without smtp-egress: home ends the same."""
        self.enable_both()
        work()
        self.disable_both()
        with_us = self.firewall_and_routes(self.lab.home)
        self.lab.close()
        self.raise_lab(self.options)
        self.begin()
        work()
        self.assert_same(self.firewall_and_routes(self.lab.home), with_us)
