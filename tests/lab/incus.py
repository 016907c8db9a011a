"""A real Incus in a host of the lab: Debian's own incusd in a chroot, with a network and its firewall.

No instance is started: that would take cgroups, which the lab leaves alone. The lab's container is plugged into the
network's bridge instead, as an instance is.
"""

from __future__ import annotations

from . import topology as at
from .chroot import Chroot
from .host import Host
from .network import plug_in
from .sandbox import Process
from .topology import Stack

NETWORK = "incusbr0"  # its bridge has the same name

_DAEMON = "/usr/libexec/incus/incusd"
_START_BOUND = 30  # seconds for incusd to answer, or to end


class Incus:
    """incusd on a host, and the command line to it."""

    def __init__(self, host: Host, container: Host, *, ipv6: bool = False) -> None:
        self.system = Chroot(host, "trixie")
        self._daemon: Process | None = None
        self.start()
        of_ipv6 = (f"ipv6.address={at.CONTAINER6_GATEWAY}/64", "ipv6.nat=true") if ipv6 else ("ipv6.address=none",)
        self("network", "create", NETWORK, f"ipv4.address={at.CONTAINER_GATEWAY}/24", "ipv4.nat=true", *of_ipv6)
        plug_in(container, host, Stack(bridge=NETWORK), ipv6=ipv6)

    def __call__(self, *words: str, input: str | None = None) -> str:
        """`incus WORDS…`; LabError unless it exits with 0."""
        return self.system.run(["incus", *words], input=input).stdout.strip()

    def start(self) -> None:
        """Starts the daemon, and waits until it answers."""
        self._daemon = self.system.start(["bash", "-c", f"exec {_DAEMON} >>/run/incusd.log 2>&1"])
        self.system.run([_DAEMON, "waitready", "--timeout", str(_START_BOUND)])

    def restart(self) -> None:
        """As `systemctl restart incus`: its networks stay."""
        assert self._daemon is not None
        self._daemon.stop(bound=_START_BOUND)
        self.start()
