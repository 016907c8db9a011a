"""The lab's map: names, addresses, and the ways in which a lab can differ from the usual one.

    container ── br-… home eth0 ── isp ── eth0 vps
                      wg0 ┄┄┄┄┄ WireGuard ┄┄┄┄ wg0
                                    └──── eth0 mx
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass

HOST_NAMES = ("container", "home", "isp", "vps", "mx")

BRIDGE = "br-5c1e7a90d2f4"  # named as Docker names the bridge of a user-defined network
CONTAINER_VETH = "veth3fa91c2"  # the container's end on the bridge
UPLINK = "eth0"  # every host's way out
TUNNEL = "wg0"

CONTAINER_NET = "192.168.203.0/24"
CONTAINER_GATEWAY = "192.168.203.1"
CONTAINER = "192.168.203.10"
DOCKER0 = "172.31.255.1"

HOME = "198.51.100.2"
HOME_ROUTER = "198.51.100.1"
VPS = "203.0.113.10"
VPS_ROUTER = "203.0.113.1"
VPS_PRIVATE = "10.20.0.2"  # the VPS's own address where its provider maps VPS to it
VPS_PRIVATE_ROUTER = "10.20.0.1"
MX = "192.0.2.25"
MX_ROUTER = "192.0.2.1"

HOME_TUNNEL = "10.0.1.2"
VPS_TUNNEL = "10.0.1.1"
TUNNEL_NET = "10.0.1.0/24"
TUNNEL_PORT = 51820
TUNNEL_MTU = 1420

# IPv6: unique local where it is private, 2001:db8::/32 where it is public.
HOME6, HOME6_ROUTER = "2001:db8:51::2", "2001:db8:51::1"
CONTAINER6_NET, CONTAINER6, CONTAINER6_GATEWAY = "fd00:203::/64", "fd00:203::10", "fd00:203::1"
VPS6, VPS6_ROUTER = "2001:db8:10::10", "2001:db8:10::1"
MX6, MX6_ROUTER = "2001:db8:25::25", "2001:db8:25::1"
HOME6_TUNNEL, VPS6_TUNNEL, TUNNEL6_NET = "fd00:1::2", "fd00:1::1", "fd00:1::/64"

# The interfaces of the ISP host, one towards each neighbour.
ISP_TO_HOME, ISP_TO_VPS, ISP_TO_MX = "home0", "vps0", "mx0"

WHOAMI_TCP_PORTS = (443, 587, 993)  # the MX host answers these with the address it sees
WHOAMI_UDP_PORT = 53

HOSTS_FILE = f"""127.0.0.1 localhost
{HOME} home.example.net
{VPS} vps.example.net
{MX} mx.example.org"""


class HomeFirewall(enum.Enum):
    """What filters and translates at home."""

    DOCKER = "docker"  # Docker 28.5.2, iptables-nft
    DOCKER_WITHOUT_USER_CHAIN = "docker-without-user-chain"
    NONE = "none"  # a router's plain masquerade, nothing of Docker
    ENGINE = "engine"  # none yet, and neither bridge nor container: a real engine makes them (engine.py, incus.py)


class VpsAddress(enum.Enum):
    """How the VPS has its public address."""

    OWN = "own"
    MAPPED = "mapped"  # 1:1, by the provider, to a private one


@dataclass(frozen=True)
class Stack:
    """A mail stack's network at home, and the sender in it."""

    bridge: str = BRIDGE
    network: str = CONTAINER_NET
    gateway: str = CONTAINER_GATEWAY
    address: str = CONTAINER
    sender_alone: bool = False  # it is the mail stack; others in its network have nothing to do with mail
    network6: str = CONTAINER6_NET
    gateway6: str = CONTAINER6_GATEWAY
    address6: str = CONTAINER6

    @property
    def source(self) -> str:
        """What a profile names as the source, and the VPS lets in from the tunnel."""
        return f"{self.address}/32" if self.sender_alone else self.network

    def on_network(self, address: str) -> str:
        """An address of the network with the network's prefix length."""
        network = self.network6 if ":" in address else self.network
        return f"{address}/{ipaddress.ip_network(network).prefixlen}"


@dataclass(frozen=True)
class Options:
    """How a lab is to be raised. The defaults are the case the product is for."""

    stack: Stack = Stack()
    home_firewall: HomeFirewall = HomeFirewall.DOCKER
    tunnel: bool = True
    narrow_tunnel: bool = False  # it lets the two ends' own addresses through, and nothing else
    vps_address: VpsAddress = VpsAddress.OWN
    vps_ip_forward: int = 0
    home_rp_filter: int = 0  # all and default, as Docker's fixture has it
    ipv6: bool = False  # for all hosts, and Docker's firewall for the container's
    home_ipv6_forward: int = 1  # as dockerd sets it for such a network
