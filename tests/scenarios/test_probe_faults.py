#!/usr/bin/python3
"""What no look at one host shows, verify --probe finds, and names it first: what is between the hosts, and behind them.

Prints a table of them: what was broken, from which side it was looked at, which check named it, and what it said. When
that is put right, verify --probe is content again.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import dataclass

from scenario import PROGRAM, Lab, Options, Scenario, topology as at

from breakages import HOME, VPS, VPS_TABLE, Breakage, without_rule
from picture import first_broken
from test_probe import Probing

Deed = Callable[[Lab], object]


def _at(host: str, command: str) -> Deed:
    return lambda lab: getattr(lab, host).run(["sh", "-c", command])


def _isp(rule: str, hook: str = "prerouting", family: str = "inet") -> Deed:
    """A rule of the internet's between the hosts, ahead of everything."""
    return _at("isp", f"nft 'add table {family} fault; add chain {family} fault c {{ type filter hook {hook} priority -310; }}; "
                      f"add rule {family} fault c {rule}'")


@dataclass(frozen=True)
class Fault:
    name: str
    side: str  # from which it is looked at
    done: Deed
    check: str  # the id that fails first
    says: tuple[str, ...] = ()
    server: str = at.MX
    speaks: tuple[str, ...] = ("tell",)
    options: tuple[str, ...] = ()
    mended: Deed = lambda lab: None  # beside what is the servers' and the internet's


def _nothing(_: Lab) -> None:
    """The server itself is the fault."""


def _no_forwarding_at_the_vps(lab: Lab) -> None:
    lab.vps.set_sysctls({"net/ipv4/ip_forward": 0})


def _no_resolver(lab: Lab) -> None:
    """One that takes questions and never answers."""
    lab.home.path("/run/lab/resolv.conf").write_text("nameserver 127.0.0.9\noptions timeout:30 attempts:5\n")
    hole = lab.home.start(["/usr/bin/python3", "-uc", "import socket, time\nhole = socket.socket(type=socket.SOCK_DGRAM)\n"
                           "hole.bind(('127.0.0.9', 53))\nprint('ready')\ntime.sleep(1000)"])
    hole.stdout.readline()


def _resolver_back(lab: Lab) -> None:
    lab.home.path("/run/lab/resolv.conf").write_text("")
    lab.home.path("/run/lab/hosts").write_text(f"{at.HOSTS_FILE}\n{at.MX} mx.example.com no-such-host.invalid\n")


# A path's narrow part whose "packet too big" is lost.
_HOLE = 'iifname "vps0" oifname "mx0" tcp dport 25 meta length > 1280 drop'

FAULTS = [
    Fault("udp blocked within a handshake's lifetime", "home", _isp(f"udp dport {at.TUNNEL_PORT} drop"), "probe-tunnel",
          ("came out", "wg show")),
    Fault("the tunnel's other end dead", "home", _at("vps", f"ip link set {at.TUNNEL} down"), "probe-tunnel", ("dead",),
          mended=lambda lab: lab.vps_tunnel.up()),
    Fault("no forwarding at the VPS", "home", _no_forwarding_at_the_vps, "probe",
          ("passes nothing on", "on the VPS"), mended=lambda lab: lab.vps.set_sysctls({"net/ipv4/ip_forward": 1})),
    Fault("the VPS drops what it is to forward", "home", _at("vps", "iptables -I FORWARD -j DROP"), "probe",
          (f"as far as the VPS ({at.VPS_TUNNEL})", "on the VPS"), mended=_at("vps", "iptables -D FORWARD 1")),
    Fault("the VPS's provider blocks tcp/25", "home", _isp('iifname "vps0" tcp dport 25 drop'), "probe",
          (f"as far as the VPS ({at.VPS_TUNNEL})", "provider")),
    Fault("the VPS's provider blocks tcp/25", "vps", _isp('iifname "vps0" tcp dport 25 drop'), "probe-provider",
          ("tcp/443", "provider to open outgoing tcp/25")),
    Fault("a server that is down", "vps", _isp(f"ip daddr {at.MX} drop", "forward"), "probe",
          (f"as far as {at.VPS_ROUTER}",)),
    Fault("a server that is down", "home", _isp(f"ip daddr {at.MX} drop", "forward"), "probe",
          (f"as far as {at.VPS_ROUTER}",)),
    Fault("a server that drops tcp/25 itself", "vps", _at("mx", "nft 'add table inet f; add chain inet f c { type filter hook "
          "input priority 0; }; add rule inet f c tcp dport 25 drop'"), "probe",
          (f"as far as {at.VPS_ROUTER}", "right in front of it"), mended=_at("mx", "nft delete table inet f")),
    Fault("a router that refuses", "vps", _isp("tcp dport 25 reject with icmp type admin-prohibited", "forward"), "probe",
          (at.VPS_ROUTER, "administratively prohibited")),
    Fault("a reset in the server's place", "home", _at("mx", "nft 'add table inet f; add chain inet f c { type filter hook "
          "input priority 0; }; add rule inet f c tcp dport 25 reject with tcp reset'"), "probe", ("reset",),
          mended=_at("mx", "nft delete table inet f")),
    Fault("banner 554", "home", _nothing, "probe-banner", ("554 5.7.1 listed", "taken off the list"),
          speaks=("banner", "554 5.7.1 listed at bl.example.org")),
    Fault("banner 421", "home", _nothing, "probe-banner", ("421 too many", "in a while"),
          speaks=("banner", "421 too many connections")),
    Fault("banner 554", "vps", _nothing, "probe-banner", ("554 5.7.1 listed",),
          speaks=("banner", "554 5.7.1 listed at bl.example.org")),
    Fault("a server that says nothing", "home", _nothing, "probe", ("no greeting", "in time"), speaks=("silent",),
          options=("--probe-timeout", "2")),
    Fault("no SMTP", "home", _nothing, "probe", ("no SMTP",), speaks=("banner", "SSH-2.0-OpenSSH_9.2")),
    Fault("EHLO tells another address", "vps", _nothing, "probe-seen-as", ("203.0.113.99", f"not {at.VPS}"),
          speaks=("tell", "203.0.113.99")),
    Fault("EHLO tells home's own address", "home", _nothing, "probe-seen-as", (at.HOME, "did not take the tunnel"),
          speaks=("tell", at.HOME)),
    Fault("a 1280-byte hole", "home", _isp(_HOLE, "forward"), "probe-mtu", ("large ones are lost", "MSS")),
    Fault("a 1280-byte hole", "vps", _isp(_HOLE, "forward"), "probe-mtu", ("large ones are lost",)),
    Fault("a 1280-byte hole, and the VPS's MSS clamp gone", "home",
          lambda lab: (_isp(_HOLE, "forward")(lab), _at("vps", without_rule(VPS_TABLE, "mss clamp"))(lab)), "probe-mtu",
          ("MSS clamp",), mended=lambda lab: lab.vps.run([PROGRAM, "enable", "mailu-vps", "--public-ip", at.VPS])),
    Fault("a resolver that hangs", "home", _no_resolver, "probe-name", ("did not answer in time",), server="mx.example.com",
          options=("--probe-timeout", "2"), mended=_resolver_back),
    Fault("a name that there is not", "home", _at("home", "rm -f /run/lab/nothing"), "probe-name", ("no-such-host",),
          server="no-such-host.invalid", mended=_resolver_back),
]

# What a look at the host shows as well: the probe comes behind it, and says nothing else.
TOLD_BEFORE = ("tunnel down", "no default route", "our table deleted", "another rule takes the mark",
               "dropped as it leaves", "AllowedIPs short", "forwarding off", "SNAT gone", "admission gone")


class Faults(Probing):
    def setUp(self) -> None:
        """A lab for each fault, in its own turn."""

    def failed(self, side: str, *options: str) -> list[dict[str, str]]:
        host = self.lab.home if side == "home" else self.lab.vps
        document = self.json_of(host, "verify", f"mailu-{side}", "--probe", *self.servers, *options, expect=None)
        failed = [check for check in document["checks"] if check["outcome"] == "failed"]
        self.assertEqual(document["exit"], 1 if failed else 0)
        hop = first_broken(document["path"])
        self.assertEqual(hop is None, not failed)
        if hop is not None:
            self.assertIn(failed[0]["id"], hop["checks"])
        return failed

    def find(self, fault: Fault) -> str:
        self.raise_lab(self.options)
        self.enable_both()
        self.lab.mx.speak("tell")
        self.servers = (at.MX,)
        self.assertEqual(self.failed(fault.side), [])
        if fault.speaks != ("tell",):
            self.lab.mx.speak(*fault.speaks)
        fault.done(self.lab)
        self.servers = (fault.server,)
        with self.no_leak():
            failed = self.failed(fault.side, *fault.options)
        self.assertTrue(failed, "verify found nothing")
        named = f"{failed[0]['title']} | {failed[0]['detail']} | {failed[0]['mend']}"
        self.assertEqual(failed[0]["id"], fault.check, named)
        for word in fault.says:
            self.assertIn(word, named)
        self.lab.mx.speak("tell")
        self.lab.isp.run(["nft", "delete", "table", "inet", "fault"], check=False)
        fault.mended(self.lab)
        self.lab.wait_for_tunnel()
        self.assertEqual(self.failed(fault.side), [], "put right, and still told")
        self.lab.close()
        return f"{fault.side:5} {fault.name:48} {fault.check:16} {failed[0]['detail']}"

    def find_all(self, side: str) -> None:
        print(f"\n{'side':5} {'broken':48} {'named by':16} saying")
        for fault in FAULTS:
            if fault.side == side:
                with self.subTest(fault.name):
                    print(self.find(fault), flush=True)

    def test_at_home(self) -> None:
        self.find_all("home")

    def test_on_the_vps(self) -> None:
        self.find_all("vps")

    def after(self, broken: Breakage) -> None:
        self.raise_lab(self.options)
        self.enable_both()
        self.lab.mx.speak("tell")
        self.servers = (at.MX,)
        host = self.lab.home if broken.side == "home" else self.lab.vps
        if callable(broken.done):
            broken.done(self.lab)
        else:
            host.run(["sh", "-c", broken.done], check=False)
        with self.no_leak():
            failed = self.failed(broken.side, "--probe-timeout", "3")
        self.assertEqual(failed[0]["id"], broken.check, failed)
        for check in failed:
            if check["id"].startswith("probe"):
                self.assertIn(f"`{broken.check}`", check["mend"], "it sends to what was found first")
        self.lab.close()

    def test_a_probe_does_not_contradict_what_was_found_before(self) -> None:
        for broken in (*HOME, *VPS):
            if broken.name in TOLD_BEFORE:
                with self.subTest(f"{broken.side}: {broken.name}"):
                    self.after(broken)


class HoleOverIpv6(Scenario):
    options = Options(ipv6=True, vps_ip_forward=1)

    def test_it_is_found(self) -> None:
        subnets = ("--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
        self.egress(self.lab.vps, "enable", "mailu-vps", "--public-ip", at.VPS, *subnets)
        self.egress(self.lab.home, "enable", "mailu-home", *subnets)
        self.lab.mx.speak("tell")
        _isp(_HOLE, "forward")(self.lab)
        document = self.json_of(self.lab.home, "verify", "mailu-home", "--probe", at.MX6, expect=1)
        failed = [check for check in document["checks"] if check["outcome"] == "failed"]
        self.assertEqual([check["id"] for check in failed], ["probe-mtu"], failed)


if __name__ == "__main__":
    unittest.main()
