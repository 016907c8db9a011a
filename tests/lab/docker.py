"""A real dockerd in a host of the lab: Debian's own docker.io in a chroot."""

from __future__ import annotations

import json
from pathlib import Path

from . import topology as at
from .engine import NETWORK, Engine
from .errors import LabError
from .host import Host
from .mail import MxHost
from .sandbox import Process
from .waiting import poll

_SUITE = "forky"
_RUNTIME = Path(__file__).resolve().parent / "data/container-runtime"
_LOG = "/run/dockerd.log"
_START_BOUND = 30.0  # seconds for dockerd to answer, or to end; it waits 15 s for a containerd that does not come
_SETTINGS = {
    "storage-driver": "vfs",
    "default-runtime": "lab",
    "runtimes": {"lab": {"path": "/usr/local/sbin/container-runtime"}},
}
_CONFIGURE = """
set -eu
mkdir -p "$1/etc/docker"
install -D "$2" "$1/usr/local/sbin/container-runtime"
cat >"$1/etc/docker/daemon.json"
"""


class Docker(Engine):
    """dockerd on a host, and the command line to it. Starts with the daemon running and the containers' image there."""

    program = "docker"
    run_options = ("--restart", "unless-stopped")  # comes back with the daemon

    def __init__(self, host: Host, mx: MxHost, *options: str, iptables: str | None = None) -> None:
        """`options`: dockerd's. `iptables`: of Debian's alternatives ("iptables-legacy") the one to be used; else
        nf_tables'."""
        super().__init__(host, mx, _SUITE)
        host.run(["bash", "-c", _CONFIGURE, "configure", self.system.root, _RUNTIME], input=json.dumps(_SETTINGS))
        if iptables is not None:
            for tool in (iptables, iptables.replace("ip", "ip6", 1)):
                self.system.run(["update-alternatives", "--set", tool.partition("-")[0], f"/usr/sbin/{tool}"])
        self._daemon: Process | None = None
        self._options = options
        self.start()
        self.import_image()

    def start(self) -> None:
        """Starts the daemon, and waits until it answers."""
        script = f'exec dockerd "$@" >>{_LOG} 2>&1'
        self._daemon = self.system.start(["bash", "-c", script, "dockerd", *self._options])
        poll(self._answers, f"dockerd on {self._host.name} to answer", _START_BOUND)

    def _answers(self) -> bool:
        assert self._daemon is not None
        if not self._daemon.running():
            raise LabError(f"dockerd on {self._host.name} ended: {self._log()[-2000:]}")
        return self.system.run(["docker", "version"], check=False).returncode == 0

    def stop(self) -> None:
        assert self._daemon is not None
        code = self._daemon.stop(bound=_START_BOUND)
        if code != 0:
            raise LabError(f"dockerd on {self._host.name}: exit {code}: {self._log()[-2000:]}")

    def restart(self) -> None:
        """As `systemctl restart docker`."""
        self.stop()
        self.start()

    def _log(self) -> str:
        return self._host.path(_LOG).read_text(errors="replace")

    def create_network(self, name: str = NETWORK, *subnets: str) -> str:
        """Makes a network; the name of its bridge."""
        return f"br-{super().create_network(name, *subnets)[:12]}"
