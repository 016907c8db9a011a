"""One end of the WireGuard tunnel. Keys are made when the lab is raised and never leave its memory and namespaces."""

from __future__ import annotations

import functools
import signal
import socket
from dataclasses import dataclass, field

from . import topology as at
from .errors import LabError
from .host import Host
from .sandbox import Process
from .topology import Options
from .waiting import poll


@functools.lru_cache(maxsize=None)
def kernel_has_wireguard(host: Host) -> bool:
    """Tried in the host, on an interface that is removed at once."""
    if host.run(["ip", "link", "add", "wgprobe", "type", "wireguard"], check=False).returncode != 0:
        return False
    host.run(["ip", "link", "del", "wgprobe"])
    return True


@dataclass(frozen=True)
class KeyPair:
    private: str
    public: str


def make_keys(host: Host) -> KeyPair:
    private = host.output(["wg", "genkey"]).strip()
    return KeyPair(private, host.run(["wg", "pubkey"], input=private + "\n").stdout.strip())


@dataclass
class Tunnel:
    """The tunnel interface of one host, with the routes that go with it."""

    host: Host
    keys: KeyPair
    peer_public_key: str
    addresses: tuple[str, ...]  # with prefix length, as wg-quick's Address
    allowed_ips: str
    routes: tuple[str, ...]
    listen_port: int | None = None
    endpoint: str | None = None
    interface: str = at.TUNNEL
    _daemon: Process | None = field(default=None, repr=False)

    def create(self) -> None:
        """Makes the interface, configures it, brings it up and sets its routes. Does not wait for the peer."""
        if kernel_has_wireguard(self.host):
            self.host.run(["ip", "link", "add", self.interface, "type", "wireguard"])
        else:
            self._start_daemon()
        self.configure()
        # No link-local address: that of a tun interface is a random one, and would be another in each snapshot.
        self.host.ip_batch(f"link set {self.interface} mtu {at.TUNNEL_MTU} addrgenmode none\n")
        self.up()

    def _start_daemon(self) -> None:
        # In the foreground: it stays the lab's child, and its messages can be told when it fails.
        self._daemon = self.host.start(["wireguard-go", "-f", self.interface], env={"LOG_LEVEL": "error"})
        path = self.host.path(f"/run/wireguard/{self.interface}.sock")

        def listening() -> bool:
            assert self._daemon is not None
            if not self._daemon.running():
                raise LabError(f"wireguard-go on {self.host.name}: {self._daemon.stderr.read().decode().strip()}")
            # The file is there a moment before anybody listens: wg(8) would then ask the kernel, in vain.
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(path)) == 0

        poll(listening, f"wireguard-go's control socket on {self.host.name}")

    def config(self, allowed_ips: str | None = None) -> str:
        """The configuration as wg(8) reads it."""
        lines = ["[Interface]", f"PrivateKey = {self.keys.private}"]
        if self.listen_port is not None:
            lines.append(f"ListenPort = {self.listen_port}")
        lines += ["[Peer]", f"PublicKey = {self.peer_public_key}", f"AllowedIPs = {allowed_ips or self.allowed_ips}"]
        if self.endpoint is not None:
            lines += [f"Endpoint = {self.endpoint}", "PersistentKeepalive = 25"]
        return "\n".join(lines) + "\n"

    def configure(self, allowed_ips: str | None = None) -> None:
        self.host.run(["wg", "setconf", self.interface, "/dev/stdin"], input=self.config(allowed_ips))

    def set_allowed_ips(self, allowed_ips: str) -> None:
        """Changes what the peer may send and be sent, without a new handshake."""
        self.host.run(["wg", "set", self.interface, "peer", self.peer_public_key, "allowed-ips", allowed_ips])

    def up(self) -> None:
        """With its addresses: those of IPv6 go when an interface is taken down."""
        self.host.ip_batch("".join(
            f"address replace {address} dev {self.interface}\n" for address in self.addresses
        ) + f"link set {self.interface} up\n" + "".join(
            f"route replace {route} dev {self.interface}\n" for route in self.routes))

    def down(self) -> None:
        """The interface stays; its routes go, as they do on any interface that is taken down."""
        self.host.run(["ip", "link", "set", self.interface, "down"])

    def delete(self) -> None:
        self.host.run(["ip", "link", "del", self.interface])
        if self._daemon is not None:
            self._daemon.stop(signal.SIGTERM)
            self._daemon = None

    def exists(self) -> bool:
        return self.host.run(["ip", "link", "show", self.interface], check=False).returncode == 0

    def last_handshake(self) -> int:
        """Seconds since the epoch; 0 for never."""
        words = self.host.output(["wg", "show", self.interface, "latest-handshakes"]).split()
        return int(words[1]) if len(words) > 1 else 0


def make_ends(home: Host, vps: Host, options: Options) -> tuple[Tunnel, Tunnel]:
    """Both ends, configured for each other but not yet made."""
    stack = options.stack
    home_keys, vps_keys = make_keys(home), make_keys(vps)
    home_end = Tunnel(home, home_keys, vps_keys.public, (f"{at.HOME_TUNNEL}/32",), "0.0.0.0/0", (at.TUNNEL_NET,),
                      endpoint=f"{at.VPS}:{at.TUNNEL_PORT}")
    vps_end = Tunnel(vps, vps_keys, home_keys.public, (f"{at.VPS_TUNNEL}/32",),
                     f"{at.HOME_TUNNEL}/32,{stack.source}", (stack.source, f"{at.HOME_TUNNEL}/32"),
                     listen_port=at.TUNNEL_PORT)
    if options.ipv6:
        for end, address in ((home_end, at.HOME6_TUNNEL), (vps_end, at.VPS6_TUNNEL)):
            end.addresses += (f"{address}/128",)
        home_end.allowed_ips += ",::/0"
        home_end.routes += (at.TUNNEL6_NET,)
        vps_end.allowed_ips += f",{at.HOME6_TUNNEL}/128,{stack.network6}"
        vps_end.routes += (stack.network6, f"{at.HOME6_TUNNEL}/128")
    if options.narrow_tunnel:
        ends = ((home_end, at.VPS_TUNNEL, at.VPS6_TUNNEL), (vps_end, at.HOME_TUNNEL, at.HOME6_TUNNEL))
        for end, far, far6 in ends:
            end.routes = (f"{far}/32", f"{far6}/128") if options.ipv6 else (f"{far}/32",)
            end.allowed_ips = ",".join(end.routes)
    return home_end, vps_end
