"""The firewalls and address translations of the lab: Docker's at home, the ISP's block, the VPS's own."""

from __future__ import annotations

import json
from pathlib import Path

from . import topology as at
from .host import Host
from .topology import HomeFirewall, Options, Stack, VpsAddress

_DATA = Path(__file__).resolve().parent / "data"

DOCKER_NFTABLES_TABLES = ("ip docker-bridges", "ip6 docker-bridges")

_PLAIN_MASQUERADE = f"""
table ip router {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "{at.UPLINK}" masquerade
    }}
}}
"""

_PLAIN_MASQUERADE6 = f"""
table ip6 router {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip6 saddr @NET6@ oifname "{at.UPLINK}" masquerade
    }}
}}
"""

# The counter stands in the rule before the drop, ahead of every other hook: whatever the home line sends to port 25
# is counted, IPv4 and IPv6, whoever sent it and wherever it was going.
_BLOCK = f"""
table inet line {{
    counter smtp_from_home {{ }}
    counter seen_from_home {{ }}
    chain ingress {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{at.ISP_TO_HOME}" counter name seen_from_home
        iifname "{at.ISP_TO_HOME}" meta l4proto tcp th dport 25 counter name smtp_from_home drop
    }}
}}
"""

_ONE_TO_ONE = f"""
table ip provider {{
    chain in {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr {at.VPS} dnat to {at.VPS_PRIVATE}
    }}
    chain out {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {at.VPS_PRIVATE} oifname != "{at.ISP_TO_VPS}" snat to {at.VPS}
    }}
}}
"""

_VPS_RULES = f"""*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
-A POSTROUTING -o {at.UPLINK} -j MASQUERADE
COMMIT
"""


def _for_stack(text: str, stack: Stack) -> str:
    """A ruleset with the stack's bridge, networks and container filled in."""
    for place, value in (("@BRIDGE@", stack.bridge), ("@NET@", stack.network), ("@CONTAINER@", stack.address),
                         ("@NET6@", stack.network6), ("@CONTAINER6@", stack.address6)):
        text = text.replace(place, value)
    return text


def _data(name: str, stack: Stack) -> str:
    return _for_stack((_DATA / name).read_text(), stack)


def _docker_rules(name: str, stack: Stack, *, user_chain: bool) -> str:
    lines = _data(name, stack).splitlines(keepends=True)
    return "".join(line for line in lines if user_chain or "DOCKER-USER" not in line)


def load_docker_nftables(home: Host, bridge: str = at.BRIDGE, *, ipv6: bool = False) -> None:
    """The rules of Docker's nftables backend, in place of what is there of them: dockerd, too, makes its tables anew."""
    stack = Stack(bridge=bridge)
    fresh = "".join(f"table {table}\ndelete table {table}\n" for table in DOCKER_NFTABLES_TABLES)
    of_ipv6 = _data("docker-nftables6.nft", stack) if ipv6 else ""
    home.run(["nft", "-f", "-"], input=fresh + _data("docker-nftables.nft", stack) + of_ipv6)


def raise_home(home: Host, options: Options) -> None:
    if options.home_firewall is HomeFirewall.ENGINE:
        return
    if options.home_firewall is HomeFirewall.NONE:
        rules = _PLAIN_MASQUERADE + (_PLAIN_MASQUERADE6 if options.ipv6 else "")
        home.run(["nft", "-f", "-"], input=_for_stack(rules, options.stack))
        return
    user_chain = options.home_firewall is HomeFirewall.DOCKER
    home.run(["iptables-restore"], input=_docker_rules("docker.rules", options.stack, user_chain=user_chain))
    if options.ipv6:
        home.run(["ip6tables-restore"], input=_docker_rules("docker6.rules", options.stack, user_chain=user_chain))


def raise_isp(isp: Host, options: Options) -> None:
    mapped = options.vps_address is VpsAddress.MAPPED
    isp.run(["nft", "-f", "-"], input=_BLOCK + (_ONE_TO_ONE if mapped else ""))


def raise_vps(vps: Host, options: Options) -> None:
    vps.run(["iptables-restore"], input=_VPS_RULES)
    if options.ipv6:
        vps.run(["ip6tables-restore"], input=_VPS_RULES)


def packets_counted(isp: Host, counter: str) -> int:
    listing = json.loads(isp.output(["nft", "-j", "list", "counter", "inet", "line", counter]))
    return int(next(entry["counter"]["packets"] for entry in listing["nftables"] if "counter" in entry))
