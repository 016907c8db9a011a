#!/usr/bin/python3
"""Programs that lead the whole host's traffic elsewhere, by policy rules or halves of the default route: Tailscale's and
OpenVPN's kernel objects, the real wg-quick. Mail keeps to its own tunnel, and takes no other, theirs included.
"""

from __future__ import annotations

import contextlib
import unittest
from typing import Iterator, Mapping, Sequence

from neighbour import Neighbour, topology
from lab.tunnel import Tunnel, make_keys

VPN_HOME, VPN_FAR = "10.66.0.2", "10.66.0.1"
VPN_HOME6, VPN_FAR6 = "fd00:66::2", "fd00:66::1"
FAR_END = "vpn"  # the VPN's interface at its provider, who is the ISP host here


class Vpn(Neighbour):
    """`vpn` is the interface of somebody's VPN at home; arrive and leave are that program's start and end."""

    vpn = "tun0"

    def begin(self) -> None:
        """What carries the VPN: a cable to its provider."""
        self.lab.home.ip_batch(f"""
            link add {self.vpn} type veth peer name {FAR_END} netns {self.lab.isp.inner_pid}
            address add {VPN_HOME}/24 dev {self.vpn}
            link set {self.vpn} up
        """)
        self.lab.isp.ip_batch(f"address add {VPN_FAR}/24 dev {FAR_END}\nlink set {FAR_END} up\n")
        if self.family.ipv6:
            self.lab.home.ip_batch(f"address add {VPN_HOME6}/64 dev {self.vpn}\n")
            self.lab.isp.ip_batch(f"address add {VPN_FAR6}/64 dev {FAR_END}\n")

    def ip(self, commands: Mapping[str, Sequence[str]]) -> None:
        """ip(8)'s commands, by its option for the family; those of IPv6 where the day is one."""
        for option, lines in commands.items():
            if option == "-4" or self.family.ipv6:
                self.lab.home.run(["ip", option, "-batch", "-"], input="".join(f"{line}\n" for line in lines))

    def arrive(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        self.leave()
        self.arrive()

    def check_itself(self) -> None:
        self.lab.home.run(["nft", "list", "ruleset"])
        self.lab.home.run(["ip", "rule"])

    @contextlib.contextmanager
    def no_leak(self) -> Iterator[None]:
        """By the VPN is past the tunnel as well."""
        by_vpn = self.lab.capture(self.lab.isp, FAR_END, "tcp dst port 25")
        with super().no_leak(), by_vpn:
            yield
        self.assertEqual(by_vpn.packets, [], "the VPN saw tcp/25")


class Harmless(Vpn):
    """VPNs that take nothing of the mail, whichever comes first."""

    def test_comes_and_goes_later(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            for step in (self.arrive, self.leave, self.arrive):
                step()
                self.assert_mail_passes()
            self.assert_kept()

    def test_the_hosts_other_traffic_keeps_to_the_vpn(self) -> None:
        self.arrive()
        seen = [host.seen_as(topology.MX, 443) for host in (self.lab.home, self.lab.container)]
        self.enable_both()
        self.assertEqual(seen, [host.seen_as(topology.MX, 443) for host in (self.lab.home, self.lab.container)])

    def test_a_day(self) -> None:
        self.assert_a_day(self.restart, prepare=self.arrive)


class OpenVpn(Harmless):
    """`redirect-gateway def1`."""

    _HALVES = {"-4": [f"{half} via {VPN_FAR}" for half in ("0.0.0.0/1", "128.0.0.0/1")],
               "-6": [f"{half} via {VPN_FAR6}" for half in ("::/1", "8000::/1")]}

    def change(self, verb: str) -> None:
        self.ip({option: [f"route {verb} {half} dev {self.vpn}" for half in halves]
                 for option, halves in self._HALVES.items()})

    def arrive(self) -> None:
        self.change("add")

    def leave(self) -> None:
        self.change("del")


_TAILSCALE_RULES = (
    "pref 5210 fwmark 0x80000/0xff0000 lookup main",
    "pref 5230 fwmark 0x80000/0xff0000 lookup default",
    "pref 5250 fwmark 0x80000/0xff0000 unreachable",
    "pref 5270 lookup 52",
)
_TAILSCALE_FIREWALL = """*filter
:ts-forward -
-I FORWARD -j ts-forward
-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000
-A ts-forward -m mark --mark 0x40000/0xff0000 -j ACCEPT
-A ts-forward -s 100.64.0.0/10 -o tailscale0 -j DROP
-A ts-forward -o tailscale0 -j ACCEPT
COMMIT
*nat
:ts-postrouting -
-I POSTROUTING -j ts-postrouting
-A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE
COMMIT
"""
_NO_TAILSCALE_FIREWALL = "".join(
    f"*{table}\n-D {chain} -j {own}\n-F {own}\n-X {own}\nCOMMIT\n"
    for table, chain, own in (("filter", "FORWARD", "ts-forward"), ("nat", "POSTROUTING", "ts-postrouting")))


class Tailscale(Harmless):
    """A member of a tailnet."""

    vpn = "tailscale0"
    routes: Mapping[str, tuple[str, ...]] = {
        "-4": (f"100.100.100.100 dev {vpn}", f"100.64.7.7 dev {vpn}"),
        "-6": (f"fd7a:115c:a1e0::53 dev {vpn}", f"fd7a:115c:a1e0::7 dev {vpn}"),
    }

    def load(self, rules: str) -> None:
        self.lab.home.run(["iptables-restore", "--noflush"], input=rules)
        if self.family.ipv6:
            of_ipv6 = "".join(line for line in rules.splitlines(keepends=True) if "100.64.0.0/10" not in line)
            self.lab.home.run(["ip6tables-restore", "--noflush"], input=of_ipv6)

    def arrive(self) -> None:
        self.load(_TAILSCALE_FIREWALL)
        self.ip({option: [*(f"route add {route} table 52" for route in routes),
                          *(f"rule add {rule}" for rule in _TAILSCALE_RULES)]
                 for option, routes in self.routes.items()})

    def leave(self) -> None:
        self.ip({option: [*(f"rule del {rule}" for rule in _TAILSCALE_RULES), "route flush table 52"]
                 for option in self.routes})
        self.load(_NO_TAILSCALE_FIREWALL)


class TailscaleExitNode(Tailscale):
    """All of the host's traffic by another member; the local networks are left out (--exit-node-allow-lan-access).

    Its rule comes before ours by default: the mail is held back until our priority is below.
    """

    routes = {
        "-4": (*Tailscale.routes["-4"], f"default via {VPN_FAR} dev {Tailscale.vpn}",
               f"throw {topology.CONTAINER_NET}"),
        "-6": (*Tailscale.routes["-6"], f"default via {VPN_FAR6} dev {Tailscale.vpn}",
               f"throw {topology.CONTAINER6_NET}"),
    }

    def test_a_day(self) -> None:
        self.home_settings += ("--set", "priority=5200")
        super().test_a_day()

    def mend_as_told(self) -> None:
        self.assert_told("5270: from all lookup 52", "--set priority=N", "below 5270")
        self.enable("--set", "priority=5200")
        self.assert_kept()

    def test_there_before(self) -> None:
        self.arrive()
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.mend_as_told()

    def test_comes_and_goes_later(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.arrive()
            self.mend_as_told()
            self.leave()
            self.assert_kept()
            self.arrive()
            self.assert_kept()


class TailscaleBesideAMaskedMark(Tailscale):
    """Its marks are the bits 0xff0000 of the packet's; ours are told to be others."""

    home_settings = vps_settings = ("--set", "mark=0x19/0xff")

    def add_chain(self, chain: str, hook: str, priority: str, rule: str) -> None:
        """Of another program's, for the mail."""
        self.lab.home.run(["nft", "-f", "-"], input=f"""table inet marks {{
            chain {chain} {{ type filter hook {hook} priority {priority}; tcp dport 25 {rule}; }}
        }}""")

    def packets_of(self, chain: str) -> int:
        listed = self.lab.home.output(["nft", "list", "chain", "inet", "marks", chain])
        return int(listed.partition("counter packets ")[2].split()[0])

    def test_its_bits_are_kept(self) -> None:
        self.add_chain("before", "prerouting", "raw", "meta mark set meta mark or 0x40000")
        self.add_chain("seen", "postrouting", "filter", "meta mark and 0xff00ff == 0x40019 counter")
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_mail_passes()
        self.assertGreater(self.packets_of("seen"), 0, "no packet of the mail's had both marks")

    def test_its_bits_take_no_admission(self) -> None:
        """Set after ours, ahead of a drop that only our admission is there to pass."""
        self.add_chain("after", "forward", "mangle + 5", "meta mark set meta mark or 0x40000")
        self.lab.home.run(["iptables", "-I", "DOCKER-USER", "-o", topology.TUNNEL, "-j", "DROP"])
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_kept()


class WgQuick(Vpn):
    """Another tunnel that takes everything (AllowedIPs = 0.0.0.0/0, ::/0), raised by the real wg-quick. It lets the
    kernel choose its rules' priorities: below the lowest there is.
    """

    vpn = "vpn0"

    def begin(self) -> None:
        far, near = make_keys(self.lab.isp), make_keys(self.lab.home)
        ends = [(f"{VPN_FAR}/24", f"{VPN_HOME}/32", "0.0.0.0/0")]
        if self.family.ipv6:
            ends.append((f"{VPN_FAR6}/64", f"{VPN_HOME6}/128", "::/0"))
        addresses, homes, all_there_is = zip(*ends)
        Tunnel(self.lab.isp, far, near.public, addresses, ",".join(homes), (), listen_port=51821,
               interface=FAR_END).create()
        config = self.lab.home.path(f"/run/{self.vpn}.conf")
        config.touch(mode=0o600)
        config.write_text(f"""[Interface]
            PrivateKey = {near.private}
            Address = {",".join(homes)}
            [Peer]
            PublicKey = {far.public}
            AllowedIPs = {",".join(all_there_is)}
            Endpoint = {topology.HOME_ROUTER}:51821
        """)

    def find_the_way_anew(self) -> None:
        """The mail's tunnel goes through this one, or no longer does. wireguard-go remembers the source address that it
        sent from; the endpoint given again makes it forget."""
        tunnel = self.lab.home_tunnel
        self.lab.home.run(["wg", "set", tunnel.interface, "peer", tunnel.peer_public_key,
                           "endpoint", tunnel.endpoint or ""])
        self.lab.wait_for_tunnel()

    def arrive(self) -> None:
        self.lab.home.run(["wg-quick", "up", f"/run/{self.vpn}.conf"])
        self.find_the_way_anew()

    def leave(self) -> None:
        self.lab.home.run(["wg-quick", "down", f"/run/{self.vpn}.conf"])
        self.find_the_way_anew()

    def test_a_day(self) -> None:
        self.assert_a_day(self.leave, prepare=self.arrive)

    def test_other_traffic_keeps_to_it(self) -> None:
        self.arrive()
        self.enable_both()
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), VPN_HOME)

    def test_one_that_comes_later_is_told_and_mended_as_told(self) -> None:
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.arrive()
            self.assert_told("10024: not from all fwmark 0xca6c lookup 51820", "--set priority=N", "below 10024")
            self.enable("--set", "priority=5000")
            self.assert_kept()
            self.leave()
            self.assert_kept()

    def test_up_and_down_leaves_what_is_without_us(self) -> None:
        def up_and_down() -> None:
            self.arrive()
            self.leave()

        self.assert_left_as_without_us(up_and_down)


del Vpn, Harmless  # unittest would run them as they are

if __name__ == "__main__":
    unittest.main()
