"""Containers in a host of the lab, made by a real engine (Docker, Podman) that runs in a chroot there.

They run the machine's Debian (its /usr, read-only), so that swaks and python3 are at hand in them, and can be used as
the lab's faked container is: sending mail, being seen, knocking.

No cgroup is made: the machine's are shown to the engine read-only, and the containers' runtime leaves them alone. So
nothing stays behind when the lab is killed.
"""

from __future__ import annotations

import io
import itertools
import os
import tarfile
from pathlib import Path
from typing import Sequence

from . import topology as at
from .chroot import Chroot
from .errors import LabError
from .host import Host
from .mail import MailHost, MxHost
from .waiting import poll

NETWORK = "mailu_default"  # as `docker compose` names it

_IMAGE = "lab"
_USERS = b"root:x:0:0:root:/root:/bin/sh\n"
_SLEEP = ("/usr/bin/sleep", "infinity")

# The mount of a cgroup namespace of its own: only from the machine's would it change the options of the machine's.
_PREPARE = """
set -eu
umount -q -R "$1/sys/fs/cgroup" || true
unshare --cgroup mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -o remount,bind,ro "$1/sys/fs/cgroup"
mkdir "$1/machine"
mount --bind /usr "$1/machine"
"""

_mail_numbers = itertools.count(1)  # not one for each container: one that is made anew must not repeat a subject


def _machine_image() -> bytes:
    """A root directory whose /usr is to be mounted, as a tar archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in ("etc", "proc", "sys", "dev", "usr", "tmp", "run", "run/lab", "var", "root"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        users = tarfile.TarInfo("etc/passwd")  # tcpdump asks who it is
        users.size = len(_USERS)
        archive.addfile(users, io.BytesIO(_USERS))
        for name in ("bin", "sbin", "lib", "lib64"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(entry)
    return data.getvalue()


def _outside(pid_namespace: int) -> int:
    """The pid, as this process sees it, of the first process of that pid namespace."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.stat(status.parent / "ns/pid").st_ino != pid_namespace:
                continue
            pids = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:")).split()
        except (OSError, StopIteration):
            continue  # ended meanwhile
        if pids[-1] == "1":
            return int(status.parent.name)
    raise LabError(f"no process is the first of pid namespace {pid_namespace}")


class Container(MailHost):
    """A running container. Its commands run in its namespaces, as those of `docker exec` do."""

    def __init__(self, host: Host, mx: MxHost, name: str, pid: int) -> None:
        # Not Host's: that one makes namespaces, these have been made by the engine.
        self.name = name
        self._sandbox = host._sandbox
        self._mx = mx
        self._numbers = _mail_numbers
        self.inner_pid = pid
        self.holder_pid = _outside(int(host.output(["stat", "-L", "-c", "%i", f"/proc/{pid}/ns/pid"])))


class Engine:
    """A container engine on a host, by its command line."""

    program: str  # its command: "docker", "podman"
    run_options: tuple[str, ...] = ()  # of `run`, for every container

    def __init__(self, host: Host, mx: MxHost, suite: str) -> None:
        self._host, self._mx = host, mx
        self.system = Chroot(host, suite)
        host.run(["bash", "-c", _PREPARE, "prepare", self.system.root])

    def import_image(self) -> None:
        self.system.path("/image.tar").write_bytes(_machine_image())
        self("import", "/image.tar", _IMAGE)

    def __call__(self, *words: str) -> str:
        """The command with these words; LabError unless it exits with 0."""
        return self.system.run([self.program, *words]).stdout.strip()

    def create_network(self, name: str = NETWORK, *subnets: str) -> str:
        """Makes a network, of IPv6 too where one of its subnets is; what the engine says to it."""
        ipv6 = ["--ipv6"] if any(":" in subnet for subnet in subnets) else []
        words = [word for subnet in subnets or (at.CONTAINER_NET,) for word in ("--subnet", subnet)]
        return self("network", "create", *ipv6, *words, name)

    def run_container(self, name: str, *options: str, network: str = NETWORK,
                      command: Sequence[str] = _SLEEP) -> Container:
        """Starts a container. It is killed when it is to stop: `sleep` has nothing to save."""
        self("run", "--detach", "--name", name, "--network", network, "--stop-signal", "KILL",
             "--volume", "/machine:/usr:ro", *self.run_options, *options, _IMAGE, *command)
        return self.container(name)

    def container(self, name: str) -> Container:
        """A running container, by its name: as it is now, for a restart gives it another process."""
        words = ("inspect", "--format", "{{if .State.Running}}{{.State.Pid}}{{else}}0{{end}}", name)
        return Container(self._host, self._mx, name, poll(lambda: int(self(*words)), f"container {name} to run"))
