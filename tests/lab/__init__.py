"""A small internet in network namespaces: container, home, isp, vps and mx, a real tunnel and real mail.

    with Lab() as lab:
        lab.container.send_mail(size=10_000_000).seen_from

Needs root. Nothing it does reaches the machine's own interfaces, and whatever ends the process that raised it, the lab
is gone with it (sandbox.py says how).
"""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType

from . import firewall, network, topology
from .capture import Capture
from .errors import LabError
from .host import Completed, Host
from .mail import Mail, MailHost, MailResult, MxHost
from .sandbox import Process, Sandbox
from .snapshot import Detail, snapshot
from .topology import HomeFirewall, Options, Stack, VpsAddress
from .tunnel import Tunnel, make_ends
from .waiting import poll

__all__ = [
    "Capture", "Completed", "Detail", "HomeFirewall", "Host", "Lab", "LabError", "Mail", "MailHost", "MailResult",
    "Options", "Process", "Stack", "Tunnel", "VpsAddress", "poll", "snapshot", "topology",
]


class Lab:
    """Five hosts, up between `with` and its end; see `Options` for the ways to raise it."""

    container: MailHost
    home: MailHost
    isp: Host
    vps: MailHost
    mx: MxHost
    home_tunnel: Tunnel
    vps_tunnel: Tunnel

    def __init__(self, options: Options = Options()) -> None:
        self.options = options
        self._sandbox: Sandbox | None = None

    def __enter__(self) -> "Lab":
        self._sandbox = Sandbox()
        try:
            self._raise(self._sandbox)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _raise(self, sandbox: Sandbox) -> None:
        names = topology.HOSTS_FILE
        self.mx = MxHost(sandbox, "mx", names)
        self.isp = Host(sandbox, "isp", names)
        self.container = MailHost(sandbox, "container", names, self.mx)
        self.home = MailHost(sandbox, "home", names, self.mx)
        self.vps = MailHost(sandbox, "vps", names, self.mx)
        network.connect({host.name: host for host in self.hosts()}, self.options)
        firewall.raise_home(self.home, self.options)
        firewall.raise_isp(self.isp, self.options)
        firewall.raise_vps(self.vps, self.options)
        self.mx.start_server()
        self.home_tunnel, self.vps_tunnel = make_ends(self.home, self.vps, self.options)
        if self.options.tunnel:
            self.raise_tunnel()
        self._check()

    def hosts(self) -> list[Host]:
        return [self.container, self.home, self.isp, self.vps, self.mx]

    def raise_tunnel(self) -> None:
        """Makes both ends and waits until packets pass."""
        self.vps_tunnel.create()
        self.home_tunnel.create()
        self.wait_for_tunnel()

    def wait_for_tunnel(self) -> None:
        """The packet that asks is also what makes WireGuard shake hands."""
        poll(lambda: self.home.reaches(topology.VPS_TUNNEL), "the tunnel to carry packets")

    def _check(self) -> None:
        """A lab that is not as told must not pass for one that is."""
        if self.options.home_firewall is HomeFirewall.ENGINE:
            return  # there is no container yet
        seen = self.container.seen_as(topology.MX, 443)
        if seen != topology.HOME:
            raise LabError(f"the container should be seen as {topology.HOME} on port 443, not {seen}")
        # Without forwarding at home, the container has no way out over IPv6 yet.
        seen = self.container.seen_as(topology.MX6, 443) if self.options.ipv6 else None
        if seen != (topology.HOME6 if self.options.ipv6 and self.options.home_ipv6_forward else None):
            raise LabError(f"the container should be seen as {topology.HOME6} on port 443 over IPv6, not {seen}")

    def plug_in(self, name: str, address: str) -> MailHost:
        """Another machine on the mail stack's bridge."""
        assert self._sandbox is not None
        machine = MailHost(self._sandbox, name, topology.HOSTS_FILE, self.mx)
        stack = replace(self.options.stack, address=address)
        network.plug_in(machine, self.home, stack, veth=f"veth-{name}")
        return machine

    def isp_leak_count(self) -> int:
        """Packets to tcp/25, IPv4 or IPv6, that the ISP got from the home line. Counted by the kernel: none is lost."""
        return firewall.packets_counted(self.isp, "smtp_from_home")

    def capture(self, host: Host, interface: str, packet_filter: str = "") -> Capture:
        return Capture(host, interface, packet_filter)

    def snapshot(self, host: Host, detail: Detail = Detail.CONTENT) -> str:
        return snapshot(host, detail)
