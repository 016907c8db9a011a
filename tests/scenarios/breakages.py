"""What can go wrong on either side while it is enabled, and how verify is to tell it: one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab import Lab, topology as at

TUNNEL, BRIDGE, WAN, NET = at.TUNNEL, at.BRIDGE, at.UPLINK, at.CONTAINER_NET
HOME_TABLE, VPS_TABLE = "inet smtp-egress-mailu-home", "inet smtp-egress-mailu-vps"

Deed = str | Callable[[Lab], object]  # a line for the shell of the side that it is on, or more than that


@dataclass(frozen=True)
class Breakage:
    side: str
    name: str
    done: Deed
    check: str  # the id of the check that fails first
    says: tuple[str, ...] = ()  # in its detail or its mend
    mended: Deed = ""  # what the mend asks for in words; empty: it is a command, to be taken from it
    stops_mail: bool = True
    hop: str = ""  # the picture's first broken one, where that is nearer to the cause than the check that fails first


def without_rule(table: str, role: str) -> str:
    """Takes our rules of that role out."""
    return (f"nft -a list table {table} | awk '/chain /{{c=$2}} /comment \"{role}\"/{{print c, $NF}}' | "
            f"while read chain handle; do nft delete rule {table} $chain handle $handle; done")


def _chain(family: str, hook: str, priority: int, rule: str, policy: str = "accept") -> str:
    """Somebody's table "fw" with one chain."""
    rule = f"; add rule {family} fw c {rule}" if rule else ""
    return (f"nft 'add table {family} fw; add chain {family} fw c {{ type filter hook {hook} priority {priority}; "
            f"policy {policy}; }}{rule}'")


def _another_peer(end: str) -> Callable[[Lab], object]:
    """The key of somebody else in the peer's place."""
    def change(lab: Lab) -> None:
        tunnel = lab.home_tunnel if end == "home" else lab.vps_tunnel
        endpoint = f"endpoint {at.VPS}:{at.TUNNEL_PORT} persistent-keepalive 25" if end == "home" else ""
        tunnel.host.run(["sh", "-c", f"wg set {TUNNEL} peer {tunnel.peer_public_key} remove && wg set {TUNNEL} peer "
                                     f"$(wg genkey | wg pubkey) allowed-ips {tunnel.allowed_ips} {endpoint}"])
    return change


def _right_key_at_vps(lab: Lab) -> None:
    """It learns where home is from home's next packet."""
    lab.vps_tunnel.configure()
    lab.wait_for_tunnel()


_DROP_TABLE = "nft delete table {} fw"
_FORWARD_DROP = _chain("inet", "forward", 10, "", "drop")

HOME = [
    Breakage("home", "tunnel down", f"ip link set {TUNNEL} down", "tunnel", ("wg0 is down",)),
    Breakage("home", "tunnel deleted", lambda lab: lab.home_tunnel.delete(), "tunnel", ("wg-quick up wg0",),
             lambda lab: lab.home_tunnel.create()),
    Breakage("home", "AllowedIPs short", lambda lab: lab.home_tunnel.set_allowed_ips(at.TUNNEL_NET), "allowed-ips",
             ("0.0.0.0/0", "Table = off"), lambda lab: lab.home_tunnel.set_allowed_ips("0.0.0.0/0")),
    Breakage("home", "wrong key", _another_peer("home"), "handshake", ("has never answered", "keys"),
             lambda lab: lab.home_tunnel.configure()),
    Breakage("home", "no default route", "ip route del default", "endpoint", ("bring up the uplink",),
             f"ip route add default via {at.HOME_ROUTER} dev {WAN}"),
    Breakage("home", "everything through the tunnel", f"ip route replace default dev {TUNNEL}", "endpoint",
             ("Table = off",), f"ip route replace default via {at.HOME_ROUTER} dev {WAN}"),
    Breakage("home", "policy rules deleted", "ip rule del pref 10025; ip rule del pref 10025", "objects"),
    Breakage("home", "the mark's policy rule deleted", "ip rule del pref 10025 fwmark 0x19", "objects",
             stops_mail=False),
    Breakage("home", "the source's policy rule deleted", f"ip rule del pref 10025 from {NET}", "objects",
             stops_mail=False),
    Breakage("home", "another rule takes the mark", "ip rule add pref 100 fwmark 0x19 lookup main", "objects",
             ("policy rule 100",), "ip rule del pref 100"),
    Breakage("home", "another rule takes the port", "ip rule add pref 50 ipproto tcp dport 25 lookup main",
             "route-marked", ("taken first",)),
    Breakage("home", "a blackhole rule ahead", "ip rule add pref 50 ipproto tcp dport 25 blackhole", "route-marked"),
    Breakage("home", "route into the tunnel deleted", f"ip route del default dev {TUNNEL} table 100", "objects"),
    Breakage("home", "unreachable route deleted", "ip route del unreachable default table 100", "objects",
             stops_mail=False),
    Breakage("home", "all rulesets flushed", "nft flush ruleset", "objects", stops_mail=False),
    Breakage("home", "our table deleted", f"nft delete table {HOME_TABLE}", "objects"),
    Breakage("home", "mark gone", without_rule(HOME_TABLE, "mark"), "objects", stops_mail=False),
    Breakage("home", "guard gone", without_rule(HOME_TABLE, "guard"), "objects", stops_mail=False),
    Breakage("home", "NAT bypass gone", without_rule(HOME_TABLE, "nat bypass"), "objects"),
    Breakage("home", "admission gone", "iptables -F DOCKER-USER", "objects", stops_mail=False),
    Breakage("home", "a drop ahead of the admission", f"iptables -I DOCKER-USER -o {TUNNEL} -j DROP", "objects"),
    Breakage("home", "raw exception gone", "iptables -t raw -D PREROUTING 1; iptables -t raw -D PREROUTING 1",
             "objects"),
    Breakage("home", "a drop ahead of the raw exception", f"iptables -t raw -I PREROUTING -i {TUNNEL} -j DROP",
             "objects"),
    Breakage("home", "FORWARD flushed", "iptables -F FORWARD", "objects"),
    Breakage("home", "a drop ahead of Docker's", f"iptables -I FORWARD -i {BRIDGE} -j DROP", "objects"),
    Breakage("home", "another firewall drops what is forwarded", _FORWARD_DROP, "objects"),
    Breakage("home", "forwarding off", "sysctl -qw net.ipv4.ip_forward=0", "objects"),
    Breakage("home", "the bridge's forwarding off", f"sysctl -qw net.ipv4.conf.{BRIDGE}.forwarding=0", "forwarding"),
    Breakage("home", "strict rp_filter",
             f"sysctl -qw net.ipv4.conf.{TUNNEL}.rp_filter=1 net.ipv4.conf.all.rp_filter=1", "objects",
             stops_mail=False),  # the rule by source lets replies in all the same
    Breakage("home", "dropped as it comes in", _chain("inet", "prerouting", 0, f"iifname {BRIDGE} tcp dport 25 drop"),
             "enters", ("inet fw c",)),
    Breakage("home", "dropped as it leaves", _chain("inet", "postrouting", 0, f"oifname {TUNNEL} drop"), "leaves",
             ("inet fw c",)),
    Breakage("home", "replies dropped on the tunnel",
             "nft 'add table netdev fw; add chain netdev fw c { type filter hook ingress device wg0 priority 0; }; "
             "add rule netdev fw c tcp sport 25 drop'", "ingress", ("netdev fw c",)),
    Breakage("home", "turned to a local relay",
             f"iptables -t nat -I PREROUTING -i {BRIDGE} -p tcp --dport 25 -j REDIRECT --to-ports 2525", "destination",
             ("ip nat PREROUTING",)),
    Breakage("home", "masqueraded first",
             f"nft 'add table ip fw; add chain ip fw c {{ type nat hook postrouting priority 50; }}; "
             f"add rule ip fw c oifname {TUNNEL} masquerade'", "address", ("srcnat",), _DROP_TABLE.format("ip")),
    Breakage("home", "dropped by iptables-legacy", f"iptables-legacy -I FORWARD -o {TUNNEL} -j DROP",
             "legacy-iptables", ("iptables-legacy",), f"iptables-legacy -D FORWARD -o {TUNNEL} -j DROP"),
    Breakage("home", "the mail stack's network gone", f"ip addr flush dev {BRIDGE}", "objects", (),
             f"ip addr add {at.CONTAINER_GATEWAY}/24 dev {BRIDGE}", hop="sender"),
    Breakage("home", "a route leads the replies astray", f"ip route add {at.CONTAINER}/32 via {at.HOME_ROUTER}",
             "route-back", (at.CONTAINER,)),
    Breakage("home", "the tunnel's address gone", f"ip addr flush dev {TUNNEL}", "objects"),
]

VPS = [
    Breakage("vps", "tunnel down", f"ip link set {TUNNEL} down", "tunnel", ("wg0 is down",)),
    Breakage("vps", "AllowedIPs short", lambda lab: lab.vps_tunnel.set_allowed_ips(f"{at.HOME_TUNNEL}/32"),
             "allowed-ips", (NET,), lambda lab: lab.vps_tunnel.set_allowed_ips(lab.vps_tunnel.allowed_ips)),
    Breakage("vps", "wrong key", _another_peer("vps"), "handshake", ("has never answered", "keys"), _right_key_at_vps),
    Breakage("vps", "forwarding off", "sysctl -qw net.ipv4.ip_forward=0", "objects"),
    Breakage("vps", "the tunnel's forwarding off", f"sysctl -qw net.ipv4.conf.{TUNNEL}.forwarding=0", "forwarding"),
    Breakage("vps", "public address gone",
             f"ip addr add 203.0.113.11/24 dev {WAN}; ip addr del {at.VPS}/24 dev {WAN}; "
             f"ip addr replace 203.0.113.11/24 dev {WAN}; ip route replace default via {at.VPS_ROUTER}", "host",
             (at.VPS, WAN), f"ip addr add {at.VPS}/24 dev {WAN}"),
    Breakage("vps", "no default route", "ip route del default", "endpoint", ("default route",),
             f"ip route add default via {at.VPS_ROUTER} dev {WAN}"),
    Breakage("vps", "route back missing", f"ip route del {NET}", "route-back"),
    Breakage("vps", "another rule takes the mail", f"ip rule add pref 50 from {NET} lookup 77; "
             "ip route add blackhole default table 77", "route-out", ("ip rule",), "ip rule del pref 50"),
    Breakage("vps", "a drop ahead of the admission", f"iptables -I FORWARD -i {TUNNEL} -j DROP", "objects"),
    Breakage("vps", "a drop of replies ahead of the admission", f"iptables -I FORWARD -o {TUNNEL} -j DROP", "objects"),
    Breakage("vps", "admission gone", "iptables -F FORWARD", "objects"),
    Breakage("vps", "another firewall drops what is forwarded", _FORWARD_DROP, "objects"),
    Breakage("vps", "SNAT gone", without_rule(VPS_TABLE, "snat"), "objects", stops_mail=False),
    Breakage("vps", "MSS clamp gone", without_rule(VPS_TABLE, "mss clamp"), "objects", stops_mail=False),
    Breakage("vps", "our table deleted", f"nft delete table {VPS_TABLE}", "objects"),
    Breakage("vps", "masqueraded first",
             f"nft 'add table ip fw; add chain ip fw c {{ type nat hook postrouting priority 50; }}; "
             f"add rule ip fw c oifname {WAN} masquerade'", "address", ("srcnat",), _DROP_TABLE.format("ip"),
             stops_mail=False),
    Breakage("vps", "replies dropped on the WAN",
             f"nft 'add table netdev fw; add chain netdev fw c {{ type filter hook ingress device {WAN} priority 0; }};"
             "add rule netdev fw c tcp sport 25 drop'", "ingress", ("netdev fw c",)),
    Breakage("vps", "replies dropped in raw", f"iptables -t raw -I PREROUTING -i {WAN} -p tcp --sport 25 -j DROP",
             "replies-arrive", ("ip raw PREROUTING",)),
    Breakage("vps", "dropped as it leaves", _chain("inet", "postrouting", 200, "tcp dport 25 drop"), "leaves",
             ("inet fw c",)),
    Breakage("vps", "dropped by iptables-legacy", f"iptables-legacy -I FORWARD -i {TUNNEL} -j DROP",
             "legacy-iptables", ("iptables-legacy",), f"iptables-legacy -D FORWARD -i {TUNNEL} -j DROP"),
    Breakage("vps", "a network of its own overlaps", "ip link add br9 type bridge; "
             f"ip addr add {at.CONTAINER_GATEWAY}/24 dev br9; ip link set br9 up", "host", ("br9", "overlaps"),
             "ip link del br9", stops_mail=False),  # as long as nobody restarts the tunnel and its routes
]

# With IPv6 sources beside the others; whether the mail over IPv6 stops.
HOME6 = [
    Breakage("home", "AllowedIPs without ::/0", lambda lab: lab.home_tunnel.set_allowed_ips("0.0.0.0/0"), "allowed-ips",
             ("::/0",), lambda lab: lab.home_tunnel.set_allowed_ips("0.0.0.0/0, ::/0")),
    Breakage("home", "IPv6's policy rules deleted", "while ip -6 rule del pref 10025; do :; done", "objects"),
    Breakage("home", "another rule takes the port", "ip -6 rule add pref 50 ipproto tcp dport 25 lookup main",
             "route-marked", ("ip -6 rule del pref 50",)),
    Breakage("home", "IPv6 forwarding off", "sysctl -qw net.ipv6.conf.all.forwarding=0", "objects"),
    Breakage("home", "raw exception gone", "ip6tables -t raw -F PREROUTING", "objects", stops_mail=False),
    Breakage("home", "IPv6's guard gone", without_rule(HOME_TABLE, "guard ipv6"), "objects", stops_mail=False),
    Breakage("home", "dropped by ip6tables", f"ip6tables -I FORWARD -o {TUNNEL} -j DROP", "objects"),
]
VPS6 = [
    Breakage("vps", "AllowedIPs without IPv6", lambda lab: lab.vps_tunnel.set_allowed_ips(f"{at.HOME_TUNNEL}/32, {NET}"),
             "allowed-ips", (at.CONTAINER6_NET,), lambda lab: lab.vps_tunnel.set_allowed_ips(lab.vps_tunnel.allowed_ips)),
    Breakage("vps", "route back missing", f"ip -6 route del {at.CONTAINER6_NET}", "route-back", (at.CONTAINER6_NET,)),
    Breakage("vps", "IPv6 forwarding off", "sysctl -qw net.ipv6.conf.all.forwarding=0", "objects"),
    Breakage("vps", "IPv6's SNAT gone", without_rule(VPS_TABLE, "snat"), "objects", stops_mail=False),
    Breakage("vps", "public address gone", f"ip -6 addr del {at.VPS6}/64 dev {WAN}", "host", ("has no IPv6 address",),
             f"ip -6 addr add {at.VPS6}/64 dev {WAN} nodad"),
    Breakage("vps", "replies dropped in raw", f"ip6tables -t raw -I PREROUTING -i {WAN} -p tcp --sport 25 -j DROP",
             "replies-arrive", ("ip6 raw PREROUTING",)),
]

# IPv4 sources alone, on a network that has IPv6 too: its mail over IPv6 must not leave.
LEAKS6 = [
    Breakage("home", "IPv6's guard gone", without_rule(HOME_TABLE, "guard ipv6"), "objects", stops_mail=False),
    Breakage("home", "IPv6's policy rule deleted", "while ip -6 rule del pref 10025; do :; done", "objects",
             stops_mail=False),
]


def _pair(*names: str) -> tuple[Breakage, Breakage]:
    """Each "side: name"."""
    by_name = {f"{broken.side}: {broken.name}": broken for broken in (*HOME, *VPS)}
    one, other = (by_name[name] for name in names)
    return one, other


# Two at once: on one side, where one may hide the other, and on both.
PAIRS = [
    _pair("home: tunnel down", "home: policy rules deleted"),
    _pair("home: AllowedIPs short", "home: raw exception gone"),
    _pair("home: another rule takes the port", "home: guard gone"),
    _pair("home: forwarding off", "home: dropped as it comes in"),
    _pair("home: wrong key", "home: dropped as it leaves"),
    _pair("home: our table deleted", "home: another firewall drops what is forwarded"),
    _pair("home: no default route", "home: a route leads the replies astray"),
    _pair("home: everything through the tunnel", "home: mark gone"),
    _pair("home: masqueraded first", "home: NAT bypass gone"),
    _pair("home: dropped by iptables-legacy", "home: admission gone"),
    _pair("vps: route back missing", "vps: SNAT gone"),
    _pair("vps: AllowedIPs short", "vps: admission gone"),
    _pair("vps: forwarding off", "vps: masqueraded first"),
    _pair("vps: public address gone", "vps: our table deleted"),
    _pair("vps: tunnel down", "vps: replies dropped in raw"),
    _pair("home: tunnel down", "vps: SNAT gone"),
    _pair("home: AllowedIPs short", "vps: AllowedIPs short"),
    _pair("home: raw exception gone", "vps: route back missing"),
    _pair("home: another rule takes the mark", "vps: dropped as it leaves"),
]
