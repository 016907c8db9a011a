"""A Debian system inside a host of the lab, for programs that the machine itself must not have installed.

There is one system for each release of Debian that a test wants: building one takes a minute. It is built once by
mmdebstrap and kept outside the repository:

    SMTP_EGRESS_TEST_CACHE    where; default /var/cache/smtp-egress-tests

A host gets it as an overlay in its own mount namespace, so that nothing written there survives the host or is seen by
another. /run is the host's own: tunnel sockets, smtp-egress's state and the daemons' sockets are shared with it.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Mapping, Sequence

from .errors import LabError
from .host import Completed, Host
from .sandbox import COMMAND_BOUND, Process

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "bookworm": ("aardvark-dns", "crun", "dbus-daemon", "firewalld", "iproute2", "iptables", "ldnsutils",
                 "netavark", "nftables", "nsd", "podman", "procps", "systemd", "ufw", "unbound"),
    "trixie": ("aardvark-dns", "crun", "dbus-daemon", "dnsmasq-base", "firewalld", "incus-base", "iproute2", "iptables",
               "netavark", "nftables", "podman", "procps"),
    "forky": ("crun", "docker-cli", "docker.io", "iptables"),  # the first whose Docker has the raw drop (28.2)
}

_RECIPE = "1"  # another number when what is built changes, so that no older system is taken for it
_BUILD_BOUND = 540  # seconds; the time a test has, less what it needs itself
_UPPER_SIZE = "4g"  # of memory at most, for what a host writes into its system
_numbers = itertools.count(1)

_MOUNT = """
set -eu
mkdir -p "$2"
mount -t tmpfs -o "mode=755,size=$3" tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
for place in proc sys dev; do mount --rbind "/$place" "$place"; done
mount --bind /run run
cat /etc/hosts >etc/hosts
rm -f etc/resolv.conf  # may be a link
: >etc/resolv.conf
hostname >etc/hostname
"""


def _cache() -> Path:
    return Path(os.environ.get("SMTP_EGRESS_TEST_CACHE", "/var/cache/smtp-egress-tests"))


def _said_by(argv: Sequence[str]) -> list[str]:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def _mirror() -> str:
    """Where the machine itself gets Debian's packages from."""
    indexes = _said_by(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian",
                        "Component: main"])
    archives = [address for address in indexes if address.rstrip("/").endswith("/debian")]
    if not archives:
        raise LabError(f"the machine's apt knows no archive of Debian's, only {indexes}; is `apt-get update` due?")
    return archives[0]


def _apt_settings() -> str:
    """How the machine's apt reaches and judges that archive: proxies, and whether an expired index will do."""
    wanted = ("Acquire::Check-", "Acquire::http::", "Acquire::https::")
    return "".join(f"{line}\n" for line in _said_by(["apt-config", "dump"]) if line.startswith(wanted))


def _build(directory: Path, suite: str, packages: Sequence[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        settings.write(_apt_settings())
        settings.flush()
        # Namespaces of its own: however this process ends, no mount and no child of the build stays behind.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                   "--mount-proc", "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
                   f"--aptopt={settings.name}", f"--include={','.join(packages)}", suite, str(directory), _mirror()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_BUILD_BOUND,
                                  stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})
        except FileNotFoundError as error:
            raise LabError(f"cannot build a Debian {suite}: {error.strerror}: {error.filename}") from None
        except subprocess.TimeoutExpired:
            raise LabError(f"Debian {suite} with {', '.join(packages)}: not built in {_BUILD_BOUND} s") from None
    if done.returncode != 0:
        raise LabError(f"Debian {suite} with {', '.join(packages)}: mmdebstrap failed: {done.stderr[-2000:].strip()}")


def cached_system(suite: str) -> Path:
    """The directory of a Debian `suite`; built when it is not there yet. LabError when it cannot be."""
    wanted = PACKAGES[suite]
    key = hashlib.sha256("\n".join([_RECIPE, suite, *wanted]).encode()).hexdigest()[:12]
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    directory = cache / f"{suite}-{key}"
    with open(cache / f"{suite}-{key}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side: one builds, the others wait
        if not directory.exists():
            unfinished = cache / f"{suite}-{key}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _build(unfinished, suite, wanted)
            (unfinished / "etc/smtp-egress-test-packages").write_text("\n".join(wanted) + "\n", encoding="utf-8")
            unfinished.rename(directory)
    return directory


class Chroot:
    """A Debian system in a lab host. Its programs run in the host's namespaces."""

    root: str  # its path inside the host's mount namespace

    def __init__(self, host: Host, suite: str) -> None:
        self._host = host
        place = f"/run/chroot-{suite}-{next(_numbers)}"
        host.run(["bash", "-c", _MOUNT, "mount", cached_system(suite), place, _UPPER_SIZE])
        self.root = f"{place}/root"

    def run(self, argv: Sequence[str | Path], *, check: bool = True, input: str | None = None,
            bound: float = COMMAND_BOUND, env: Mapping[str, str] | None = None) -> Completed:
        """As Host.run, in the chroot."""
        return self._host.run(["chroot", self.root, *argv], check=check, input=input, bound=bound, env=env)

    def start(self, argv: Sequence[str | Path], *, stdin: int = subprocess.DEVNULL,
              env: Mapping[str, str] | None = None) -> Process:
        """As Host.start, in the chroot."""
        return self._host.start(["chroot", self.root, *argv], stdin=stdin, env=env)

    def path(self, inside: str) -> Path:
        """A file of the system as a path that can be opened from outside."""
        return self._host.path(self.root + inside)
