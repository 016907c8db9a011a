"""A real Podman in a host of the lab, rootful, with netavark: Debian's own in a chroot."""

from __future__ import annotations

from .engine import Engine
from .host import Host
from .mail import MxHost

_STORAGE = """[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
_SETTINGS = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
cgroups = "disabled"
pids_limit = 0
log_driver = "k8s-file"
[network]
network_backend = "netavark"
"""


class Podman(Engine):
    program = "podman"

    def __init__(self, host: Host, mx: MxHost, suite: str, *, firewall_driver: str | None = None) -> None:
        """`firewall_driver`: netavark's; else the one that it chooses itself. Debian's bookworm has iptables' alone."""
        super().__init__(host, mx, suite)
        driver = f'firewall_driver = "{firewall_driver}"\n' if firewall_driver else ""
        self.system.path("/etc/containers/storage.conf").write_text(_STORAGE)
        self.system.path("/etc/containers/containers.conf").write_text(_SETTINGS + driver)
        self.import_image()
