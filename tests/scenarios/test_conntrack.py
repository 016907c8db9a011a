#!/usr/bin/python3
"""Flows that are open when egress is switched: those with the old path's mapping go, no other."""

from __future__ import annotations

import re
import unittest

from scenario import ENABLE_HOME, Host, Process, Scenario, topology
from lab import poll
from lab.waiting import read_until

# One connection attempt that waits as long as the kernel retries, then tells what the server greeted with.
_CONNECT = """
import socket, sys
print("connecting", flush=True)
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=40)
print("greeted", link.recv(100).decode().split()[0], flush=True)
sys.stdin.read()
"""


class Flows(Scenario):
    def connect(self, host: Host, port: int = 25) -> Process:
        process = host.start(["/usr/bin/python3", "-c", _CONNECT, topology.MX, str(port)])
        read_until(process.stdout, b"connecting", "the connecting client")
        return process

    def entries(self, host: Host, *selection: str) -> dict[str, str]:
        """Conntrack entries by their id."""
        listed = host.run(["conntrack", "-L", "-o", "id", *selection], check=False).stdout
        return {match[1]: line for line in listed.splitlines() if (match := re.search(r"\bid=(\d+)", line))}

    def half_open_at_home(self) -> Process:
        waiting = self.connect(self.lab.container)
        poll(lambda: self.entries(self.lab.home, "-p", "tcp", "--dport", "25"), "the half-open flow")
        return waiting

    def test_a_half_open_flow_goes_the_new_way_at_its_next_try(self) -> None:
        self.enable_vps()
        waiting = self.half_open_at_home()
        old = self.entries(self.lab.home, "-p", "tcp", "--dport", "25")
        self.assertIn(f"dst={topology.HOME}", "".join(old.values()), "it should carry the home line's mapping")
        self.egress(self.lab.home, *ENABLE_HOME)
        new = self.entries(self.lab.home, "-p", "tcp", "--dport", "25")
        self.assertFalse(old.keys() & new.keys(), "the old mapping should be gone")
        with self.no_leak():
            self.assertIn("220", read_until(waiting.stdout, b"greeted", "the greeting", bound=20))

    def test_other_flows_are_kept(self) -> None:
        home = self.lab.home
        self.lab.container.seen_as(topology.MX, 443)
        self.lab.container.seen_as(topology.MX, topology.WHOAMI_UDP_PORT, protocol="udp")
        own = self.connect(home)  # the host's own attempt to port 25
        poll(lambda: self.entries(home, "-p", "tcp", "--orig-src", topology.HOME), "the host's own flow")
        waiting = self.half_open_at_home()
        before = self.entries(home)
        theirs = {key for key, line in before.items() if f"src={topology.CONTAINER} " in line and "dport=25 " in line}
        self.egress(home, *ENABLE_HOME)
        gone = before.keys() - self.entries(home).keys()
        self.assertEqual(gone, theirs, "exactly the container's old tcp/25 flows should go")
        own.stop()
        waiting.stop()

    def test_disable_drops_the_tunnels_flows_and_no_other(self) -> None:
        home = self.lab.home
        self.enable_both()
        mail = self.connect(self.lab.container)
        read_until(mail.stdout, b"greeted", "the greeting")
        self.lab.container.seen_as(topology.MX, 443)
        before = self.entries(home)
        theirs = {key for key, line in before.items() if f"src={topology.CONTAINER} " in line and "dport=25 " in line}
        self.assertTrue(theirs)
        self.egress(home, "disable", "mailu-home")
        gone = before.keys() - self.entries(home).keys()
        self.assertEqual(gone, theirs)
        mail.stop()

    def test_a_hairpin_flow_is_kept(self) -> None:
        """A container that called its host's own published port 25, which sent it back to a container."""
        home = self.lab.home
        home.run(["conntrack", "-I", "-p", "tcp", "-s", topology.CONTAINER, "-d", topology.HOME, "--sport", "40000",
                  "--dport", "25", "-r", "192.168.203.11", "-q", "192.168.203.1", "--reply-port-src", "25",
                  "--reply-port-dst", "40000", "--state", "ESTABLISHED", "-t", "600"])
        hairpin = self.entries(home, "-p", "tcp", "--sport", "40000").keys()
        self.assertEqual(len(hairpin), 1)
        self.egress(home, *ENABLE_HOME)
        self.assertEqual(self.entries(home, "-p", "tcp", "--sport", "40000").keys(), hairpin, "enable dropped it")
        self.egress(home, "disable", "mailu-home")
        self.assertEqual(self.entries(home, "-p", "tcp", "--sport", "40000").keys(), hairpin, "disable dropped it")

    def test_enable_again_keeps_the_mail_in_flight(self) -> None:
        self.enable_both()
        mail = self.connect(self.lab.container)
        read_until(mail.stdout, b"greeted", "the greeting")
        before = self.entries(self.lab.home, "-p", "tcp", "--dport", "25")
        self.enable_both()
        self.assertEqual(before.keys(), self.entries(self.lab.home, "-p", "tcp", "--dport", "25").keys())
        mail.stop()

    def test_the_vps_drops_the_masquerades_mapping(self) -> None:
        """A flow that the VPS forwarded before with another source address must not keep it."""
        vps = self.lab.vps
        vps.ip_batch(f"address add 203.0.113.77/24 dev {topology.UPLINK}\n")
        vps.set_sysctls({"net/ipv4/ip_forward": 1})
        vps.run(["iptables", "-P", "FORWARD", "ACCEPT"])
        snat = ["-o", topology.UPLINK, "-j", "SNAT", "--to", "203.0.113.77"]
        vps.run(["iptables", "-t", "nat", "-I", "POSTROUTING", *snat])
        self.enable_home()
        self.lab.isp.run(["nft", "insert rule inet line ingress ip saddr 203.0.113.77 drop"])
        waiting = self.connect(self.lab.container)
        poll(lambda: self.entries(vps, "-p", "tcp", "--dport", "25"), "the half-open flow on the VPS")
        self.enable_vps()
        self.assertIn("220", read_until(waiting.stdout, b"greeted", "the greeting", bound=20))
        waiting.stop()


if __name__ == "__main__":
    unittest.main()
