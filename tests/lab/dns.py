"""The lab's DNS: a real authoritative server (NSD) for a whole little tree, root included, and a real recursive one
(Unbound) that asks it. Both run on the MX host, from the chroot of Debian's packages.

Zones are signed by ldns-signzone; keys are made anew each time. The root's key is what a validating resolver begins at.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from . import topology as at
from .chroot import Chroot
from .host import Host
from .mail import MxHost
from .sandbox import Process
from .waiting import read_until

AUTHORITY = at.MX
RESOLVER = "192.0.2.53"
NOBODY = "192.0.2.99"
TRUST_ANCHOR = "/run/lab/dns/root.key"  # in every host's /run, once `trust` has put it there

_PLACE = "/run/lab/dns"
_SERIAL = "SOA ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 60"

_NSD = """
server:
  ip-address: {authority}
  username: ""
  zonesdir: "{place}"
  zonelistfile: "{place}/zone.list"
  xfrdfile: ""
  pidfile: ""
  database: ""
remote-control:
  control-enable: no
"""

_UNBOUND = """
server:
  interface: {resolver}
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  directory: "{place}"
  pidfile: ""
  use-syslog: no
  unblock-lan-zones: yes
  root-hints: "{place}/root.hints"
  module-config: "{modules}"
  {anchor}
remote-control:
  control-enable: no
"""


@dataclass
class Zone:
    name: str  # "example.org."; the root: "."
    signed: bool
    records: list[str] = field(default_factory=list)  # as zone files have them, one a line, names complete
    expired: bool = False  # its signatures are
    altered: tuple[str, str] = ("", "")  # in the signed zone: another text in place of the first
    key: str = ""  # its file, once it is made


class Dns:
    """Up after `publish`; what is published is what `zones` hold at that time."""

    def __init__(self, host: MxHost) -> None:
        host.stop_server()  # which answers on udp/53
        self._host = host
        self._chroot = Chroot(host, "bookworm")
        self._servers: list[Process] = []
        host.run(["mkdir", "-p", _PLACE])
        host.ip_batch(f"address add {RESOLVER}/24 dev {at.UPLINK}\n")
        self.zones: dict[str, Zone] = {".": Zone(".", True)}
        self.validates = False  # the recursive server itself, which then answers SERVFAIL to what is bogus
        self.resolves = True  # or it is dead
        self.knows = True  # or the authoritative server knows no zone at all, and the recursive one fails
        self.dead: set[str] = set()  # zones whose own server there is not

    def add_zone(self, name: str, *records: str, signed: bool) -> None:
        self.zones[name] = Zone(name, signed, list(records))

    def zone_of(self, record: str) -> Zone:
        """Where a record belongs: the longest of the zones that its name is in."""
        name = record.split()[0]
        zones = [zone for zone in self.zones.values() if zone.name == "." or name == zone.name or name.endswith(f".{zone.name}")]
        return max(zones, key=lambda zone: len(zone.name))

    def add(self, record: str) -> None:
        self.zone_of(record).records.append(record)

    def remove(self, record: str) -> None:
        self.zone_of(record).records.remove(record)

    def publish(self) -> None:
        """Signs what is to be signed, children first, and starts both servers anew: nothing is remembered of before."""
        self.stop()
        delegations = [self._sign(zone) for zone in self.zones.values() if zone.name != "."]
        root = Zone(".", True, [line for lines in delegations for line in lines], key=self.zones["."].key)
        root.records += [f"ns.lab.test. IN A {AUTHORITY}", f"ns.dead.test. IN A {NOBODY}"]
        self._sign(root)
        self.zones["."].key = root.key
        self._start()

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        self._servers = []

    def trust(self, host: Host) -> None:
        """The host can begin at the root's key."""
        place = host.path(TRUST_ANCHOR)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self._path(f"{self.zones['.'].key}.ds").read_text())

    # Files

    def _path(self, name: str) -> Path:
        return self._host.path(f"{_PLACE}/{name}")

    def _in_place(self, command: str) -> str:
        return self._chroot.run(["sh", "-c", f"cd {_PLACE} && {command}"]).stdout

    def _sign(self, zone: Zone) -> list[str]:
        """Writes the zone's file; what the root has to say of it."""
        label = "root" if zone.name == "." else zone.name.rstrip(".")
        head = [f"$TTL 60\n{zone.name} IN {_SERIAL}", f"{zone.name} IN NS ns.lab.test."]
        self._path(label).write_text("\n".join([*head, *zone.records]) + "\n")
        delegation = [f"{zone.name} IN NS {'ns.dead.test.' if zone.name in self.dead else 'ns.lab.test.'}"]
        if not zone.signed:
            return delegation
        origin = shlex.quote(zone.name)
        if not zone.key:
            zone.key = self._in_place(f"ldns-keygen -k -a ECDSAP256SHA256 {origin}").strip()
        dates = "-i 20200101 -e 20200201" if zone.expired else ""
        self._in_place(f"ldns-signzone {dates} -o {origin} -f signed {label} {shlex.quote(zone.key)} && mv signed {label}")
        if zone.altered[0]:
            text = self._path(label).read_text()
            assert zone.altered[0] in text, zone.altered[0]
            self._path(label).write_text(text.replace(*zone.altered))
        return [*delegation, self._path(f"{zone.key}.ds").read_text().strip()]

    # Servers

    def _start(self) -> None:
        places = "".join(f'zone:\n  name: "{zone.name}"\n  zonefile: "{zone.name.rstrip(".") or "root"}"\n'
                         for zone in self.zones.values() if self.knows and zone.name not in self.dead)
        self._path("nsd.conf").write_text(_NSD.format(authority=AUTHORITY, place=_PLACE) + places)
        self._path("root.hints").write_text(f". 3600 IN NS ns.lab.test.\nns.lab.test. 3600 IN A {AUTHORITY}\n")
        self._path("anchor").write_text(self._path(f"{self.zones['.'].key}.ds").read_text())
        self._path("unbound.conf").write_text(_UNBOUND.format(
            resolver=RESOLVER, place=_PLACE, modules="validator iterator" if self.validates else "iterator",
            anchor=f'trust-anchor-file: "{_PLACE}/anchor"' if self.validates else ""))
        self._servers = [self._chroot.start(["nsd", "-d", "-c", f"{_PLACE}/nsd.conf"])]
        read_until(self._servers[0].stderr, b"nsd started", "NSD on mx")
        if self.resolves:
            self._servers.append(self._chroot.start(["unbound", "-d", "-c", f"{_PLACE}/unbound.conf"]))
            read_until(self._servers[1].stderr, b"start of service", "Unbound on mx")
