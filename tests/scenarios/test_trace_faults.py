#!/usr/bin/python3
"""Each fault on the mail's way, on either side: trace names the rule or the reason, and whose it is."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import dataclass

from scenario import NOT_AS_IT_SHOULD_BE, Lab, topology as at
from tracing import Traced

TUNNEL, BRIDGE, WAN, NET = at.TUNNEL, at.BRIDGE, at.UPLINK, at.CONTAINER_NET


@dataclass(frozen=True)
class Fault:
    name: str
    done: str | Callable[[Lab], object]
    direction: str  # which packet is the first to go wrong
    end: str
    says: tuple[str, ...]  # in the reason or the mend


def _firewall(chain: str, rule: str, table: str = "inet fw", policy: str = "accept") -> str:
    rule = f"; add rule {table} c {rule}" if rule else ""
    return f"nft 'add table {table}; add chain {table} c {{ type {chain}; policy {policy}; }}{rule}'"


_UFW = ("iptables -N ufw-reject-forward; iptables -A ufw-reject-forward -j REJECT; "
        f"iptables -I FORWARD -i {BRIDGE} -j ufw-reject-forward")

HOME = [
    Fault("Docker's raw drop of replies", "iptables -t raw -D PREROUTING 1; iptables -t raw -D PREROUTING 1", "reply",
          "dropped", ("ip raw PREROUTING", "Docker's drop of strangers", "smtp-egress enable mailu-home")),
    Fault("a drop in DOCKER-USER", f"iptables -I DOCKER-USER -o {TUNNEL} -j DROP", "mail", "dropped",
          ("ip filter DOCKER-USER", "the administrator's", "smtp-egress enable mailu-home")),
    Fault("FORWARD's policy", "iptables -F FORWARD", "mail", "dropped", ("ip filter FORWARD: policy drop", "Docker")),
    Fault("another table's policy", _firewall("filter hook forward priority 10", "", policy="drop"), "mail", "dropped",
          ("inet fw c: policy drop", "others'")),
    Fault("ufw rejects", _UFW, "mail", "dropped", ("ip filter ufw-reject-forward", "ufw")),
    Fault("firewalld rejects", _firewall("filter hook forward priority 10", "reject", "inet firewalld"), "mail", "dropped",
          ("refused by inet firewalld c", "firewalld")),
    Fault("dropped as it comes in", _firewall("filter hook prerouting priority -350", "tcp dport 25 drop"), "mail",
          "dropped", ("inet fw c: tcp dport 25 drop", "nft delete rule inet fw c handle")),
    Fault("our guard, no policy rule", "ip rule del pref 10025; ip rule del pref 10025", "mail", "dropped",
          ("refused by inet smtp-egress-mailu-home forward", "ours (guard)", f"routed to {WAN}, not to {TUNNEL}")),
    Fault("the tunnel is down", f"ip link set {TUNNEL} down", "mail", "lost", (f"tunnel {TUNNEL} is down", "wg-quick up")),
    Fault("strict rp_filter", f"ip rule del pref 10025 from {NET}; sysctl -qw net.ipv4.conf.all.rp_filter=1 "
          f"net.ipv4.conf.{TUNNEL}.rp_filter=1", "reply", "lost", ("rp_filter", f"filtering on {TUNNEL}")),
    Fault("a blackhole", "ip rule add pref 50 ipproto tcp dport 25 blackhole", "mail", "lost", ("a blackhole", "ip rule")),
    Fault("prohibited", "ip rule add pref 50 ipproto tcp dport 25 prohibit", "mail", "lost", ("prohibit", "ip rule")),
    Fault("no route into the tunnel", f"ip route del default dev {TUNNEL} table 100", "mail", "lost",
          ("No route to host", "smtp-egress status")),
    Fault("ip_forward 0", "sysctl -qw net.ipv4.ip_forward=0", "mail", "lost", ("net.ipv4.ip_forward", "does not forward")),
    Fault("turned to a local relay",
          f"iptables -t nat -I PREROUTING -i {BRIDGE} -p tcp --dport 25 -j REDIRECT --to-ports 2525", "mail", "delivered",
          ("this host itself",)),
    Fault("masqueraded first", _firewall("nat hook postrouting priority 50", f"oifname {TUNNEL} masquerade"), "mail",
          "left", (f"entered the tunnel as {at.HOME_TUNNEL}",)),
    Fault("a route leads replies astray", f"ip route add {at.CONTAINER}/32 via {at.HOME_ROUTER}", "reply", "left",
          (f"left by {WAN}, not by {BRIDGE}",)),
    Fault("queued for nobody", f"iptables -t mangle -A PREROUTING -i {BRIDGE} -p tcp --dport 25 -j NFQUEUE --queue-num 40000",
          "mail", "queued", ("handed to a program by ip mangle PREROUTING",)),
    Fault("iptables-legacy", f"iptables-legacy -I FORWARD -o {TUNNEL} -j DROP", "mail", "lost",
          ("iptables-legacy", "ip filter FORWARD")),
]

VPS = [
    Fault("a drop ahead of the admission", f"iptables -I FORWARD -i {TUNNEL} -j DROP", "mail", "dropped",
          ("ip filter FORWARD", "smtp-egress enable mailu-vps")),
    Fault("FORWARD's policy", "iptables -F FORWARD", "mail", "dropped", ("policy drop", "smtp-egress enable mailu-vps")),
    Fault("forwarding off", "sysctl -qw net.ipv4.ip_forward=0", "mail", "lost", ("net.ipv4.ip_forward",)),
    Fault("masqueraded as another", f"ip addr add 203.0.113.77/24 dev {WAN}; "
          + _firewall("nat hook postrouting priority 50", f"oifname {WAN} snat ip to 203.0.113.77"), "mail", "left",
          (f"left as 203.0.113.77, not as {at.VPS}",)),
    Fault("replies dropped in raw", f"iptables -t raw -I PREROUTING -i {WAN} -p tcp --sport 25 -j DROP", "reply",
          "dropped", ("ip raw PREROUTING",)),
    Fault("no route back", f"ip route del {NET}", "reply", "dropped",
          (f"routed to {WAN}, not to {TUNNEL}",)),
    Fault("another rule takes the mail", f"ip rule add pref 50 from {NET} lookup 77; ip route add blackhole default "
          "table 77", "mail", "lost", ("blackhole",)),
]


class TraceFaults(Traced):
    def setUp(self) -> None:
        """A lab for each fault, in its own turn."""

    def break_home(self, fault: Fault) -> str:
        self.lab.home.run(["sh", "-c", str(fault.done)])
        return self.judge(fault, self.probe(expect=NOT_AS_IT_SHOULD_BE))

    def break_vps(self, fault: Fault) -> str:
        self.lab.vps.run(["sh", "-c", str(fault.done)])
        with self.tracing(self.lab.vps, expect=NOT_AS_IT_SHOULD_BE) as document:
            self.assertFalse(self.try_mail().delivered and "masqueraded" not in fault.name)
        return self.judge(fault, document)

    def judge(self, fault: Fault, document: dict) -> str:
        wrong = self.first_wrong(document)
        said = f"{wrong['reason']} | {wrong['mend']}"
        self.assertEqual((wrong["direction"], wrong["end"]), (fault.direction, fault.end), said)
        for word in fault.says:
            self.assertIn(word, said)
        return f"{fault.name:32} {fault.direction:6} {fault.end:10} {wrong['reason'][:110]}"

    def each(self, faults: list[Fault], judge: Callable[[Fault], str]) -> None:
        print(f"\n{'fault':32} {'first':6} {'end':10} told")
        for fault in faults:
            with self.subTest(fault.name):
                self.raise_lab(self.options)
                self.enable_both()
                try:
                    print(judge(fault), flush=True)
                finally:
                    self.lab.close()

    def test_at_home(self) -> None:
        self.each(HOME, self.break_home)

    def test_on_the_vps(self) -> None:
        self.each(VPS, self.break_vps)


if __name__ == "__main__":
    unittest.main()
