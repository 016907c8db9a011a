"""A host with a real container engine: the mail stack is the container `front` on a network of its own, port 25
published, as Mailu's.
"""

from __future__ import annotations

import re

from neighbour import Host, Neighbour, Options, topology

from lab import HomeFirewall, poll
from lab.engine import NETWORK, Container, Engine

_FORWARDING = ("ipv4/ip_forward ", "ipv6/conf/all/forwarding ")
# Drawn by lot: Docker's bridges and their ports, Podman's ids of containers and networks.
_MADE_UP_NAME = re.compile(r"(?<![0-9a-z])(?:br-|veth)[0-9a-f]{7,12}\b|\b[0-9a-f]{64}\b|(?<=\bnv_)[0-9a-f]{8}(?=_)")


def without_made_up_names(text: str) -> str:
    """Names that the engine draws by lot are numbered as they appear."""
    numbered: dict[str, str] = {}
    return _MADE_UP_NAME.sub(lambda found: numbered.setdefault(found[0], f"name-{len(numbered) + 1}"), text)


class EngineNeighbour(Neighbour):
    options = Options(home_firewall=HomeFirewall.ENGINE)
    published: tuple[str, ...] = ("--publish", "25:25")
    subnet, address = topology.CONTAINER_NET, topology.CONTAINER

    engine: Engine
    network: str  # what the engine said when it made NETWORK

    def compose_up(self) -> Container:
        subnets, addresses = [self.subnet], ["--ip", self.address]
        if self.family.ipv6:
            subnets.append(topology.CONTAINER6_NET)
            addresses += ["--ip6", topology.CONTAINER6]
        self.network = self.engine.create_network(NETWORK, *subnets)
        front = self.engine.run_container("front", *addresses, *self.published)
        self.lab.container = front
        return front

    def compose_down(self) -> None:
        self.engine("rm", "--force", "front")
        self.engine("network", "rm", NETWORK)

    def compose_down_and_up(self) -> None:
        self.compose_down()
        self.compose_up()

    def all_of(self, host: Host) -> str:
        """Of the sysctls the host's forwarding alone: the others are born with an interface, and stay so."""
        told, _, sysctls = super().all_of(host).partition("== sysctl\n")
        forwarding = [line for line in sysctls.splitlines() if line.startswith(_FORWARDING)]
        return without_made_up_names("\n".join([told, *forwarding, ""]))

    def check_itself(self) -> None:
        """Makes a network, of both families where the mail stack's has, and a container, restarts it, and all goes."""
        others = ("192.168.77.0/24", *(["fd00:77::/64"] if self.family.ipv6 else []))
        self.engine.create_network("blog_default", *others)
        self.engine.run_container("blog", "--publish", "8080:80", network="blog_default")
        self.engine("restart", "--time", "0", "blog")
        self.engine("ps", "--all")
        self.engine("rm", "--force", "blog")
        self.engine("network", "rm", "blog_default")


class AnyEngine(EngineNeighbour):
    """What holds with each: the tests are run for the classes that are made of it, not for itself."""

    def test_compose_down_and_up(self) -> None:
        """The network may come back with a bridge of another name: what was made for that is told, and mended."""
        self.enable_both()
        with self.no_leak():
            self.compose_down_and_up()
            self.assert_mail_passes()
            self.enable()
            self.assert_kept()

    def test_a_probe_speaks_as_the_container(self) -> None:
        self.assert_a_probe_speaks_as(self.address)

    def test_a_new_container_sends_mail_too(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            second = self.engine.run_container("second")
            self.assert_seen_from_vps(second.send_mail())
            self.engine("restart", "--time", "0", "second")
            self.assert_seen_from_vps(self.engine.container("second").send_mail())
            self.engine("rm", "--force", "second")
            self.wait_for_gateway()
            self.assert_kept()

    def wait_for_gateway(self) -> None:
        """Podman's bridge (bookworm) has the lowest hardware address of its ports. Whoever learned one that has gone with
        its port sends to nobody until the kernel asks anew: 45 s, and 8 s of probes. With or without us.
        """
        poll(lambda: self.lab.container.reaches(topology.CONTAINER_GATEWAY), "the bridge to answer", bound=90)


class OtherNetworks(EngineNeighbour):
    """What holds with each whose firewall is its own, and not loaded by us."""

    def test_another_network_keeps_its_ways(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.engine.create_network("blog_default", "192.168.77.0/24")
            other = self.engine.run_container("blog", "--publish", "8080:80", network="blog_default")
            self.assertEqual(other.seen_as(topology.MX, 443), topology.HOME)
            self.assert_kept()
            self.engine("rm", "--force", "blog")
            self.engine("network", "rm", "blog_default")
            self.assert_kept()
