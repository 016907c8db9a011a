"""A real dockerd in a host of the lab, and real containers: Debian's own docker.io in a chroot.

The containers run the machine's Debian (its /usr, read-only), so that swaks and python3 are at hand in them, and can be
used as the lab's faked container is: sending mail, being seen, knocking.

No cgroup is made: the machine's are shown to dockerd read-only, and the containers' runtime leaves them alone. So
nothing stays behind when the lab is killed.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import tarfile
from pathlib import Path
from typing import Any, Sequence

from . import topology as at
from .chroot import Chroot
from .errors import LabError
from .host import Completed, Host
from .mail import MailHost, MxHost
from .sandbox import Process
from .waiting import poll

SUITE = "forky"
PACKAGES = ("crun", "docker-cli", "docker.io", "iptables")
NETWORK = "mailu_default"  # as `docker compose` names it

_RUNTIME = Path(__file__).resolve().parent / "data/container-runtime"
_IMAGE = "lab"
_LOG = "/run/dockerd.log"
_START_BOUND = 30.0  # seconds for dockerd to answer, or to end; it waits 15 s for a containerd that does not come
_SLEEP = ("/usr/bin/sleep", "infinity")
_SETTINGS = {
    "storage-driver": "vfs",
    "default-runtime": "lab",
    "runtimes": {"lab": {"path": "/usr/local/sbin/container-runtime"}},
}

# The mount of a cgroup namespace of its own: only from the machine's would it change the options of the machine's.
_PREPARE = """
set -eu
umount -q -R "$1/sys/fs/cgroup" || true
unshare --cgroup mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -o remount,bind,ro "$1/sys/fs/cgroup"
mkdir "$1/machine"
mount --bind /usr "$1/machine"
mkdir -p "$1/etc/docker"
install -D "$2" "$1/usr/local/sbin/container-runtime"
cat >"$1/etc/docker/daemon.json"
"""

_mail_numbers = itertools.count(1)  # not one for each container: one that is made anew must not repeat a subject


def machine_image() -> bytes:
    """A root directory whose /usr is to be mounted, as a tar archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in ("etc", "proc", "sys", "dev", "usr", "tmp", "run", "run/lab", "var", "root"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
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
        # Not Host's: that one makes namespaces, these have been made by Docker.
        self.name = name
        self._sandbox = host._sandbox
        self._mx = mx
        self._numbers = _mail_numbers
        self.inner_pid = pid
        self.holder_pid = _outside(int(host.output(["stat", "-L", "-c", "%i", f"/proc/{pid}/ns/pid"])))


class Docker:
    """dockerd on a host, and the command line to it. Starts with the daemon running and the containers' image there."""

    def __init__(self, host: Host, mx: MxHost, *options: str, iptables: str | None = None) -> None:
        """`iptables`: of Debian's alternatives ("iptables-legacy") the one to be used; else nf_tables'."""
        self._host, self._mx = host, mx
        self.system = Chroot(host, SUITE, PACKAGES)
        host.run(["bash", "-c", _PREPARE, "prepare", self.system.root, _RUNTIME], input=json.dumps(_SETTINGS))
        if iptables is not None:
            for tool in (iptables, iptables.replace("ip", "ip6", 1)):
                self.system.run(["update-alternatives", "--set", tool.partition("-")[0], f"/usr/sbin/{tool}"])
        self._daemon: Process | None = None
        self.options = options
        self.start()
        self.system.path("/image.tar").write_bytes(machine_image())
        self("import", "/image.tar", _IMAGE)

    def __call__(self, *words: str) -> str:
        """`docker WORDS…`; LabError unless it exits with 0."""
        return self.system.run(["docker", *words]).stdout.strip()

    def start(self) -> None:
        script = f'exec dockerd "$@" >>{_LOG} 2>&1'
        """Starts the daemon, and waits until it answers."""
        self._daemon = self.system.start(["bash", "-c", script, "dockerd", *self.options])
        poll(self._answers, f"dockerd on {self._host.name} to answer", _START_BOUND)

    def _answers(self) -> bool:
        assert self._daemon is not None
        if not self._daemon.running():
            raise LabError(f"dockerd on {self._host.name} ended: {self.log()[-2000:]}")
        return self.system.run(["docker", "version"], check=False).returncode == 0

    def stop(self) -> None:
        assert self._daemon is not None
        code = self._daemon.stop(bound=_START_BOUND)
        if code != 0:
            raise LabError(f"dockerd on {self._host.name}: exit {code}: {self.log()[-2000:]}")

    def restart(self) -> None:
        """As `systemctl restart docker`."""
        self.stop()
        self.start()

    def log(self) -> str:
        return self._host.path(_LOG).read_text(errors="replace")

    def iptables(self, *words: str) -> Completed:
        """The iptables that dockerd uses."""
        return self.system.run(["iptables", *words])

    def create_network(self, name: str = NETWORK, subnet: str = at.CONTAINER_NET) -> str:
        """Makes a network; the name of its bridge."""
        return f"br-{self('network', 'create', '--subnet', subnet, name)[:12]}"

    def run_container(self, name: str, *options: str, network: str = NETWORK,
                      command: Sequence[str] = _SLEEP) -> Container:
        """A container that comes back with the daemon. It is killed when it is to stop: `sleep` has nothing to save."""
        self("run", "--detach", "--name", name, "--network", network, "--restart", "unless-stopped",
             "--stop-signal", "KILL", "--volume", "/machine:/usr:ro", *options, _IMAGE, *command)
        return self.container(name)

    def container(self, name: str) -> Container:
        """A running container, by its name: as it is now, for a restart gives it another process."""
        def process() -> int:
            state: Any = json.loads(self("inspect", "--format", "{{json .State}}", name))
            return int(state["Pid"]) if state["Running"] else 0

        return Container(self._host, self._mx, name, poll(process, f"container {name} to run"))
