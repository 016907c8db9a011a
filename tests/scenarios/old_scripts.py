"""What the two shell scripts that smtp-egress replaces leave on a host."""

from __future__ import annotations

from scenario import Host, Lab, topology

NET, TUNNEL, WAN = topology.CONTAINER_NET, topology.TUNNEL, topology.UPLINK

# What such a host carries: our own list of the effects, as (table, chain, place, rule).
HOME_RULES = (
    ("filter", "DOCKER-USER", "-I", f"-s {NET} -o {TUNNEL} -p tcp --dport 25 -j ACCEPT"),
    ("filter", "DOCKER-USER", "-I", f"-d {NET} -i {TUNNEL} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
    ("raw", "PREROUTING", "-I", f"-d {NET} -i {TUNNEL} -p tcp --sport 25 -j ACCEPT"),
    ("mangle", "PREROUTING", "-A", f"-s {NET} -p tcp --dport 25 -j MARK --set-mark 0x19"),
    ("nat", "POSTROUTING", "-I", f"-s {NET} -o {TUNNEL} -p tcp --dport 25 -j ACCEPT"),
)
VPS_RULES = (
    ("filter", "FORWARD", "-A", f"-s {NET} -i {TUNNEL} -o {WAN} -p tcp --dport 25 -j ACCEPT"),
    ("filter", "FORWARD", "-A", f"-i {WAN} -o {TUNNEL} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
    ("mangle", "FORWARD", "-A", f"-i {TUNNEL} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    ("mangle", "FORWARD", "-A", f"-o {TUNNEL} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    ("nat", "POSTROUTING", "-I", f"-s {NET} -o {WAN} -p tcp --dport 25 -j SNAT --to-source {topology.VPS}"),
)
HOME_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv4/conf/all/rp_filter": 2,
    "net/ipv4/conf/default/rp_filter": 2,
    f"net/ipv4/conf/{TUNNEL}/rp_filter": 2,
    f"net/ipv4/conf/{topology.BRIDGE}/rp_filter": 2,
}


def enable(lab: Lab, host: Host) -> None:
    """As the script for that host does it."""
    at_home = host is lab.home
    host.set_sysctls(HOME_SYSCTLS if at_home else {"net/ipv4/ip_forward": 1})
    for table, chain, place, rule in HOME_RULES if at_home else VPS_RULES:
        host.run(["iptables", "-t", table, place, chain, *rule.split()])
    if at_home:
        host.ip_batch(f"""
            rule add fwmark 0x19 lookup 100 pref 10025
            route add default dev {TUNNEL} table 100
        """)
