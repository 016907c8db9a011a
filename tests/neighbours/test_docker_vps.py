#!/usr/bin/python3
"""A VPS that runs Docker itself: a container there publishes tcp/25 and 465, and goes on taking mail from the world,
while the home's mail leaves by the same address.
"""

from __future__ import annotations

import unittest

from engine_neighbour import EngineNeighbour
from neighbour import Options, topology

from lab import Host, poll
from lab.docker import Docker

_NETWORK, _SUBNET, _SUBNET6 = "relay_default", "172.30.9.0/24", "fd00:9::/64"
_BANNER = "220 relay.example.net"

_SERVE = f"""
import socketserver, threading
class Greeting(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"{_BANNER} " + self.client_address[0].encode() + b"\\r\\n")
        self.rfile.readline()
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
for port in (25, 465):
    threading.Thread(target=Server(("", port), Greeting).serve_forever).start()
"""

_ASK = 'exec 3<>"/dev/tcp/$0/$1" && head -n 1 <&3'


class DockerOnTheVps(EngineNeighbour):
    side = "vps"
    options = Options()

    engine: Docker

    def begin(self) -> None:
        self.engine = Docker(self.lab.vps, self.lab.mx)
        self.engine.create_network(_NETWORK, _SUBNET, *([_SUBNET6] if self.family.ipv6 else []))
        self.engine.run_container("relay", "--publish", "25:25", "--publish", "465:465", network=_NETWORK,
                                  command=("/usr/bin/python3", "-c", _SERVE))
        self.assert_relay_answers()

    def greeting(self, client: Host, port: int) -> str:
        done = client.run(["timeout", "2", "bash", "-c", _ASK, topology.VPS, str(port)], check=False)
        return done.stdout.strip()

    def assert_relay_answers(self) -> None:
        """The container answers, and sees who calls it."""
        for port in (25, 465):
            greeting = poll(lambda: self.greeting(self.lab.mx, port), f"an answer of the relay's port {port}")
            self.assertEqual(f"{_BANNER} {topology.MX}", greeting)

    def assert_mail_goes_both_ways(self) -> None:
        self.assert_relay_answers()
        self.assert_mail_passes()
        self.egress(self.lab.vps, "status", self.instance)

    def restart_daemon(self) -> None:
        self.engine.restart()
        self.assert_relay_answers()

    def check_itself(self) -> None:
        super().check_itself()
        self.assert_relay_answers()

    def test_a_day(self) -> None:
        """verify takes the published port for no detour: Docker's DNAT of tcp/25 is called for local destinations."""
        self.assert_a_day(self.restart_daemon)

    def test_inbound_and_outbound_mail(self) -> None:
        self.enable_both()
        self.assert_mail_goes_both_ways()

    def test_a_new_network_and_container(self) -> None:
        self.enable_both()
        self.engine.create_network("blog_default", "172.30.10.0/24")
        self.engine.run_container("blog", "--publish", "8080:80", network="blog_default")
        self.assert_mail_goes_both_ways()

    def test_the_relays_own_mail_leaves_as_before(self) -> None:
        """Its tcp/25 is none of the home's: Docker's masquerade has it."""
        self.enable_both()
        relay = self.engine.container("relay")
        self.assert_seen_from_vps(relay.send_mail())
        self.assert_mail_passes()

    def test_undone(self) -> None:
        self.assert_left_as_without_us(self.restart_daemon)


if __name__ == "__main__":
    unittest.main()
