"""No port of a container's is to be had through the tunnel, whatever port the VPS sends from: what is published is so
by the host's address alone.
"""

from __future__ import annotations

import contextlib
from typing import Iterator

from docker_neighbour import DockerNeighbour
from neighbour import topology
from ways_in import SEND, UNPUBLISHED, connect, serve

PUBLISHED = 25
SOURCE_PORTS = (25, 465, 0)  # 0: any


class ClosedPorts(DockerNeighbour):
    """The tests are run for the classes that are made of it, not for itself."""

    def serve(self) -> None:
        serve(self.lab.container, PUBLISHED, UNPUBLISHED)
        for port in (PUBLISHED, UNPUBLISHED):
            self.assertEqual("connected", connect(self.lab.home, topology.CONTAINER, port), "nothing listens: this would prove nothing")

    @contextlib.contextmanager
    def nothing_passes(self, sent: int, *ports: int) -> Iterator[None]:
        """What the VPS sends inside the block, at least so many packets, comes as far as the tunnel and not to the
        bridge.
        """
        lab = self.lab
        to_ports = " or ".join(f"tcp port {port}" for port in ports)
        from_tunnel = f"src net {topology.TUNNEL_NET} and host {topology.CONTAINER} and ({to_ports})"
        with lab.capture(lab.home, topology.TUNNEL, from_tunnel) as arriving, \
                lab.capture(lab.home, self.bridge, from_tunnel) as passing:
            yield
            lab.home.reaches(topology.VPS_TUNNEL)  # what was sent before it has come when this is answered
        self.assertGreaterEqual(arriving.count, sent, "the VPS's packets should have come as far as the tunnel")
        self.assertEqual(passing.packets, [])

    def test_the_vps_opens_no_connection_to_a_container(self) -> None:
        self.enable_both()
        self.serve()
        with self.nothing_passes(2 * len(SOURCE_PORTS), PUBLISHED, UNPUBLISHED):
            for port in (PUBLISHED, UNPUBLISHED):
                for source_port in SOURCE_PORTS:
                    self.assertEqual("timed out", connect(self.lab.vps, topology.CONTAINER, port, source_port))
        self.assert_kept()

    def test_a_lone_ack_to_an_unpublished_port_is_dropped(self) -> None:
        self.check_acks(UNPUBLISHED)

    def test_a_lone_ack_to_the_published_port_is_dropped(self) -> None:
        self.check_acks(PUBLISHED)

    def check_acks(self, port: int) -> None:
        """Two: the first could have made a connection known that lets the second pass."""
        self.enable_both()
        self.serve()
        with self.nothing_passes(2, port):
            for _ in range(2):
                self.lab.vps.run(["/usr/bin/python3", "-c", SEND, topology.VPS_TUNNEL, topology.CONTAINER, str(port),
                                  "25/ACK"])
