"""Cables, addresses, routes and sysctls of the five hosts."""

from __future__ import annotations

from typing import Mapping

from . import topology as at
from .host import Host
from .topology import HomeFirewall, Options, Stack, VpsAddress

# A new namespace takes some of its values from the machine's own. These make every lab start alike. No duplicate
# detection: nothing in a snapshot may change by itself.
_COMMON_SYSCTLS: Mapping[str, int] = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/src_valid_mark": 0,
    "net/ipv4/conf/default/src_valid_mark": 0,
    "net/ipv4/conf/all/route_localnet": 0,
    "net/ipv4/conf/default/route_localnet": 0,
    "net/ipv6/conf/all/accept_dad": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv6/conf/default/disable_ipv6": 0,
}

# What a Docker host has beside the firewall (forwarding is on because dockerd switched it on).
_BRIDGE_FILTER_SYSCTLS: Mapping[str, int] = {
    "net/bridge/bridge-nf-call-iptables": 1,
    "net/bridge/bridge-nf-call-ip6tables": 1,
    "net/bridge/bridge-nf-call-arptables": 1,
}


_FAKED_DOCKER = (HomeFirewall.DOCKER, HomeFirewall.DOCKER_WITHOUT_USER_CHAIN)


def _ip_forward(hosts: Mapping[str, Host], options: Options) -> None:
    # A real engine switches it on itself: only then does Docker drop what is forwarded.
    at_home = int(options.home_firewall is not HomeFirewall.ENGINE)
    hosts["home"].set_sysctls({"net/ipv4/ip_forward": at_home,
                               "net/ipv6/conf/all/forwarding": at_home * int(options.ipv6) * options.home_ipv6_forward})
    hosts["isp"].set_sysctls({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
    hosts["vps"].set_sysctls({"net/ipv4/ip_forward": options.vps_ip_forward,
                              "net/ipv6/conf/all/forwarding": int(options.ipv6) * options.vps_ip_forward})
    for name in ("container", "mx"):
        hosts[name].set_sysctls({"net/ipv4/ip_forward": 0})


def _sysctls(hosts: Mapping[str, Host], options: Options) -> None:
    # IPv6 routers need link-local addresses to find their neighbours. Without IPv6, none: less that could differ.
    link_local = {"net/ipv6/conf/default/addr_gen_mode": 0 if options.ipv6 else 1}
    for host in hosts.values():
        host.set_sysctls({**_COMMON_SYSCTLS, **link_local})
    home: dict[str, int] = {
        "net/ipv4/conf/all/rp_filter": options.home_rp_filter,
        "net/ipv4/conf/default/rp_filter": options.home_rp_filter,
        "net/netfilter/nf_conntrack_tcp_be_liberal": 0,
    }
    if options.home_firewall in _FAKED_DOCKER:
        home.update(_BRIDGE_FILTER_SYSCTLS)
    hosts["home"].set_sysctls(home)
    _ip_forward(hosts, options)


def _cables(hosts: Mapping[str, Host]) -> None:
    isp = hosts["isp"].inner_pid
    for name, far_end in (("home", at.ISP_TO_HOME), ("vps", at.ISP_TO_VPS), ("mx", at.ISP_TO_MX)):
        hosts[name].ip_batch(f"link add {at.UPLINK} type veth peer name {far_end} netns {isp}\n")


def _home(home: Host) -> None:
    home.ip_batch(f"""
        address add {at.HOME}/24 brd + dev {at.UPLINK}
        link set {at.UPLINK} up
        route add default via {at.HOME_ROUTER} dev {at.UPLINK}
    """)


def _home_bridge(home: Host, options: Options) -> None:
    stack = options.stack
    docker0 = f"""
        link add docker0 type bridge mcast_snooping 0
        address add {at.DOCKER0}/24 brd + dev docker0
        link set docker0 up
    """
    address6 = f"address add {stack.on_network(stack.gateway6)} dev {stack.bridge}"
    home.ip_batch(f"""
        link add {stack.bridge} type bridge mcast_snooping 0
        address add {stack.on_network(stack.gateway)} brd + dev {stack.bridge}
        {address6 if options.ipv6 else ""}
        link set {stack.bridge} up
        {docker0 if options.home_firewall in _FAKED_DOCKER else ""}
    """)


def plug_in(container: Host, home: Host, stack: Stack, *, veth: str = at.CONTAINER_VETH, ipv6: bool = False) -> None:
    """The container on the stack's bridge, which is home's, with the stack's address."""
    container.ip_batch(f"link add {at.UPLINK} type veth peer name {veth} netns {home.inner_pid}\n")
    home.ip_batch(f"link set {veth} master {stack.bridge}\nlink set {veth} up\n")
    container.ip_batch(f"""
        address add {stack.on_network(stack.address)} brd + dev {at.UPLINK}
        link set {at.UPLINK} up
        route add default via {stack.gateway}
    """)
    if ipv6:
        container.ip_batch(f"""
            address add {stack.on_network(stack.address6)} dev {at.UPLINK}
            route add default via {stack.gateway6}
        """)


def _vps(vps: Host, options: Options) -> None:
    mapped = options.vps_address is VpsAddress.MAPPED
    vps.ip_batch(f"""
        address add {at.VPS_PRIVATE if mapped else at.VPS}/24 brd + dev {at.UPLINK}
        link set {at.UPLINK} up
        route add default via {at.VPS_PRIVATE_ROUTER if mapped else at.VPS_ROUTER} dev {at.UPLINK}
    """)


def _isp(isp: Host, options: Options) -> None:
    mapped = options.vps_address is VpsAddress.MAPPED
    isp.ip_batch(f"""
        address add {at.HOME_ROUTER}/24 dev {at.ISP_TO_HOME}
        address add {at.VPS_PRIVATE_ROUTER if mapped else at.VPS_ROUTER}/24 dev {at.ISP_TO_VPS}
        address add {at.MX_ROUTER}/24 dev {at.ISP_TO_MX}
        link set {at.ISP_TO_HOME} up
        link set {at.ISP_TO_VPS} up
        link set {at.ISP_TO_MX} up
    """)


def _mx(mx: Host) -> None:
    mx.ip_batch(f"""
        address add {at.MX}/24 dev {at.UPLINK}
        link set {at.UPLINK} up
        route add default via {at.MX_ROUTER}
    """)


def _ipv6(hosts: Mapping[str, Host]) -> None:
    hosts["isp"].ip_batch(f"""
        address add {at.HOME6_ROUTER}/64 dev {at.ISP_TO_HOME}
        address add {at.VPS6_ROUTER}/64 dev {at.ISP_TO_VPS}
        address add {at.MX6_ROUTER}/64 dev {at.ISP_TO_MX}
    """)
    hosts["home"].ip_batch(f"""
        address add {at.HOME6}/64 dev {at.UPLINK}
        route add default via {at.HOME6_ROUTER}
    """)
    hosts["vps"].ip_batch(f"""
        address add {at.VPS6}/64 dev {at.UPLINK}
        route add default via {at.VPS6_ROUTER}
    """)
    hosts["mx"].ip_batch(f"""
        address add {at.MX6}/64 dev {at.UPLINK}
        route add default via {at.MX6_ROUTER}
    """)


def connect(hosts: Mapping[str, Host], options: Options) -> None:
    """Everything below the firewalls: after it each host reaches its neighbours."""
    _sysctls(hosts, options)
    _cables(hosts)
    _home(hosts["home"])
    if options.home_firewall is not HomeFirewall.ENGINE:
        _home_bridge(hosts["home"], options)
        plug_in(hosts["container"], hosts["home"], options.stack, ipv6=options.ipv6)
    _vps(hosts["vps"], options)
    _isp(hosts["isp"], options)
    _mx(hosts["mx"])
    if options.ipv6:
        _ipv6(hosts)
