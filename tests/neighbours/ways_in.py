"""Whether the VPS reaches a container's port that is not published: from source port 25, which replies to mail have, or
from another; with a connection's first packet, or one that looks like a reply and answers nothing.
"""

from __future__ import annotations

import re

from family import Family

from lab import Host, Lab, LabError, poll, topology
from lab.waiting import read_until

UNPUBLISHED = 8025

# One tcp segment for each source port and its flags, S (SYN) or A (ACK): raw, so that no port need be free and nothing
# is known of it to the sender's kernel.
SEND = """
import socket, struct, sys
source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in target else socket.AF_INET
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.bind((source, 0))
for number, kind in (word.split("/") for word in sys.argv[4:]):
    flags = {"SYN": 0x02, "ACK": 0x10}[kind]
    segment = struct.pack("!HHIIBBHHH", int(number), port, 1, 1, 5 << 4, flags, 1024, 0, 0)
    pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, target) + struct.pack("!II", 6, len(segment))
    total = sum(struct.unpack(f"!{(len(pseudo) + len(segment)) // 2}H", pseudo + segment))
    total = (total & 0xffff) + (total >> 16)
    check = ~((total & 0xffff) + (total >> 16)) & 0xffff
    raw.sendto(segment[:16] + struct.pack("!H", check) + segment[18:], (target, 0))
"""

_LISTEN = """
import selectors, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
ready = selectors.DefaultSelector()
for port in sys.argv[2:]:
    ready.register(socket.create_server((sys.argv[1], int(port)), family=family), selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _ in ready.select():
        key.fileobj.accept()[0].close()
"""

_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1, ("", int(sys.argv[3]))).close()
    print("connected")
except OSError as error:
    print(error)
"""

# Two lone ACKs: the first could have made a connection known that lets the second pass.
_SENT = ("25/SYN", "465/SYN", "40000/SYN", "25/ACK", "25/ACK")
_CAUGHT = re.compile(r"\.(\d+) > \S+: Flags \[(S|\.)")
_KINDS = {"S": "SYN", ".": "ACK"}


def serve(host: Host, *ports: int, address: str = "0.0.0.0") -> None:
    """From now on it takes connections to these ports, and ends each at once."""
    listener = host.start(["/usr/bin/python3", "-c", _LISTEN, address, *map(str, ports)])
    read_until(listener.stdout, b"listening", f"the servers of {host.name}")


def connect(host: Host, address: str, port: int, source_port: int = 0) -> str:
    """"connected", or why not; from any port where none is named."""
    return host.output(["/usr/bin/python3", "-c", _CONNECT, address, str(port), str(source_port)]).strip()


def ways_in(lab: Lab, family: Family) -> tuple[str, ...]:
    """Of these packets those that come as far as the container. LabError if they do not even reach the home host."""
    wanted = f"tcp dst port {UNPUBLISHED}"
    with lab.capture(lab.home, topology.TUNNEL, wanted) as arriving, \
            lab.capture(lab.container, topology.UPLINK, wanted) as passing:
        lab.vps.run(["/usr/bin/python3", "-c", SEND, family.vps_tunnel, family.container, str(UNPUBLISHED), *_SENT])
        poll(lambda: arriving.count_so_far() >= len(_SENT), "the VPS's packets to come as far as the tunnel")
    found = [_CAUGHT.search(packet) for packet in passing.packets]
    if None in found:
        raise LabError(f"the container got something else: {passing.packets}")
    return tuple(dict.fromkeys(f"{match[1]}/{_KINDS[match[2]]}" for match in found if match))
