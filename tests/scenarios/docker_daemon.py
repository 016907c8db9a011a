"""A stand-in for Docker's daemon on a host of the lab, for what a real one does not do."""

from __future__ import annotations

import contextlib
import json
from typing import Iterator, Mapping

from lab import Host
from lab.waiting import read_until

SOCKET, ANSWERS = "/run/docker.sock", "/run/docker-answers.json"  # of the host: each has its own /run
ANYTHING = "*"  # the path of what is answered to every other
SILENCE = ""

# Serves the answers it is given, by path; any other path is a 404. An answer is sent as it is; with none the
# connection is held.
_DAEMON = """
import json, os, socket, sys
path, answers = sys.argv[1], json.load(open(sys.argv[2]))
if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
print("listening", flush=True)
held = []
while True:
    connection = server.accept()[0]
    words = connection.recv(4096).decode(errors="replace").split()
    others = answers.get("*", "HTTP/1.0 404 -\\r\\n\\r\\n{}")
    answer = answers.get(words[1] if len(words) > 1 else "", others)
    if not answer:
        held.append(connection)
        continue
    try:
        connection.sendall(answer.encode("latin-1"))
    except OSError:
        pass
    connection.close()
"""


def http(body: str, status: int = 200) -> str:
    return f"HTTP/1.0 {status} -\r\nContent-Length: {len(body)}\r\n\r\n{body}"


@contextlib.contextmanager
def docker_daemon(host: Host, answers: Mapping[str, str]) -> Iterator[None]:
    """It runs inside the block, and leaves its socket behind, as one that was killed does."""
    host.path(ANSWERS).write_text(json.dumps(answers))
    daemon = host.start(["/usr/bin/python3", "-c", _DAEMON, SOCKET, ANSWERS])
    read_until(daemon.stdout, b"listening", "the daemon")
    try:
        yield
    finally:
        daemon.stop()
