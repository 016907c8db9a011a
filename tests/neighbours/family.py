"""The two address families of a neighbour's day: the same hosts by their other addresses."""

from __future__ import annotations

from dataclasses import dataclass

from lab import topology as at


@dataclass(frozen=True)
class Family:
    """Whom the mail goes to, and whom it is seen from, in one of them."""

    name: str
    ipv6: bool
    mx: str
    vps: str
    vps_tunnel: str
    home_router: str
    container: str
    container_nets: tuple[str, ...]  # the profile's sources; with IPv6, of both
    tunnel_addresses: tuple[str, ...]  # what they are to the VPS where the mail leaves home as the tunnel's

    def __str__(self) -> str:
        return self.name


IPV4 = Family("IPv4", False, at.MX, at.VPS, at.VPS_TUNNEL, at.HOME_ROUTER, at.CONTAINER, (at.CONTAINER_NET,),
              (f"{at.HOME_TUNNEL}/32",))
IPV6 = Family("IPv6", True, at.MX6, at.VPS6, at.VPS6_TUNNEL, at.HOME6_ROUTER, at.CONTAINER6,
              (*IPV4.container_nets, at.CONTAINER6_NET), (*IPV4.tunnel_addresses, f"{at.HOME6_TUNNEL}/128"))
FAMILIES = (IPV4, IPV6)
