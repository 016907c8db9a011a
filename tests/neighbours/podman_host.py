"""Home with a real podman, rootful: the mail stack is the container `front` on a network of its own."""

from __future__ import annotations

import re

from neighbour import Host, Neighbour, Options, rules_of, topology

from lab import HomeFirewall, poll
from lab.chroot import Chroot
from lab.docker import Container, machine_image

NETWORK = "mail"
_PACKAGES = ("aardvark-dns", "crun", "iproute2", "iptables", "netavark", "nftables", "podman")
_IMAGE = "lab"
# No cgroup is made, as for dockerd (lab/docker.py): one hierarchy, shown read-only.
_PREPARE = """
set -eu
umount -q -R "$1/sys/fs/cgroup" || true
unshare --cgroup mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -o remount,bind,ro "$1/sys/fs/cgroup"
mkdir "$1/machine"
mount --bind /usr "$1/machine"
"""
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
_MADE_UP = re.compile(r"\b[0-9a-f]{64}\b|(?<=\bnv_)[0-9a-f]{8}(?=_)")  # ids of containers and networks


class PodmanNeighbour(Neighbour):
    options = Options(home_firewall=HomeFirewall.DOCKERD)  # no faked container, bridge and rules
    suite = "bookworm"
    settings = _SETTINGS
    published: tuple[str, ...] = ("--publish", "25:25")
    subnet = topology.CONTAINER_NET
    address = topology.CONTAINER

    chroot: Chroot

    def setUp(self) -> None:
        super().setUp()
        self.install()
        self.compose_up()

    def install(self) -> None:
        home = self.lab.home
        self.chroot = Chroot(home, self.suite, _PACKAGES)
        home.run(["bash", "-c", _PREPARE, "prepare", self.chroot.root])
        self.chroot.path("/etc/containers/storage.conf").write_text(_STORAGE)
        self.chroot.path("/etc/containers/containers.conf").write_text(self.settings)
        self.chroot.path("/image.tar").write_bytes(machine_image())
        self.podman("import", "/image.tar", _IMAGE)

    def podman(self, *words: str) -> str:
        return self.chroot.run(["podman", *words]).stdout.strip()

    def run_container(self, name: str, *options: str, network: str = NETWORK) -> Container:
        self.podman("run", "--detach", "--name", name, "--network", network, "--stop-signal", "KILL", "--volume",
                    "/machine:/usr:ro", *options, _IMAGE, "/usr/bin/sleep", "infinity")
        return self.container(name)

    def container(self, name: str) -> Container:
        pid = poll(lambda: int(self.podman("inspect", "--format", "{{.State.Pid}}", name)), f"container {name} to run")
        return Container(self.lab.home, self.lab.mx, name, pid)

    def compose_up(self) -> None:
        self.podman("network", "create", "--subnet", self.subnet, NETWORK)
        self.lab.container = self.run_container("front", "--ip", self.address, *self.published)

    def compose_down(self) -> None:
        self.podman("rm", "--force", "--time", "0", "front")
        self.podman("network", "rm", NETWORK)

    def restart(self) -> None:
        self.podman("restart", "--time", "0", "front")
        self.lab.container = self.container("front")

    def all_of(self, host: Host) -> str:
        """Of the sysctls ip_forward alone: the others are born with an interface, and stay so."""
        told, _, sysctls = self.lab.snapshot(host).partition("== sysctl\n")
        forwarding = next(line for line in sysctls.splitlines() if line.startswith("ipv4/ip_forward "))
        return _MADE_UP.sub("ID", f"{rules_of(host)}{told}{forwarding}")
