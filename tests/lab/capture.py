"""Packet capture that starts before the first packet and ends after the last.

tcpdump is running when its message `listening on` is there. It sleeps when it has written all that it got and at no
other time, so it is ended once it was seen asleep. A capture that lost a packet is an error, not a smaller result.

That it wrote as many as it received tells nothing: libpcap binds its socket before it gives it the filter, and what
comes between the two is received, thrown away unwritten, and stays in that number.
"""

from __future__ import annotations

import itertools
import re
import signal
import struct
from types import TracebackType

from .errors import LabError
from .host import Host
from .sandbox import Process
from .waiting import poll, read_until

_NUMBERS = re.compile(
    r"(\d+) packets? captured\D+\d+ packets? received by filter\D+(\d+) packets? dropped by kernel")
_FILE_HEADER, _RECORD_HEADER = 24, 16  # bytes; pcap's file format
_HEADERS = 192  # bytes of each packet that are kept: all headers, no mail
_names = itertools.count(1)


class Capture:
    """Use with `with`; `packets` and `count` are there after the block."""

    packets: list[str]  # one line each, as tcpdump -n prints them, without the time
    times: list[float]  # seconds since the epoch, by the kernel's clock; comparable between hosts
    count: int

    def __init__(self, host: Host, interface: str, packet_filter: str) -> None:
        self._host, self._interface, self._filter = host, interface, packet_filter
        self._file = f"/run/lab/capture-{next(_names)}.pcap"
        self._process: Process | None = None

    def __enter__(self) -> "Capture":
        self._process = self._host.start(
            ["tcpdump", "-n", "-i", self._interface, "--immediate-mode", "-U", "-B", "8192", "-s", str(_HEADERS),
             "-Z", "root", "-w", self._file, self._filter])
        read_until(self._process.stderr, b"listening on", f"tcpdump on {self._host.name} {self._interface}")
        return self

    def _has_written_all(self) -> bool:
        """A packet's arrival wakes tcpdump before its sender goes on; a write to a tmpfs never sleeps."""
        assert self._process is not None
        return self._process.asleep()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        assert self._process is not None
        try:
            if not self._process.running():
                raise LabError(f"tcpdump ended early: {self._process.stderr.read().decode().strip()}")
            poll(self._has_written_all, f"tcpdump on {self._host.name} {self._interface} to write what it caught")
            captured, dropped = self._end()
        finally:
            self._process.stop(signal.SIGKILL)
        if dropped:
            raise LabError(f"the capture lost packets: {captured} written, {dropped} dropped")
        lines = self._host.output(["tcpdump", "-n", "-tt", "-Z", "root", "-r", self._file]).splitlines()
        stamped = [line.split(" ", 1) for line in lines]
        self.times = [float(time) for time, _ in stamped]
        self.packets = [packet for _, packet in stamped]
        self.count = self._records()
        if self.count != captured:
            raise LabError(f"tcpdump told {captured} packets, its file has {self.count}")

    def _end(self) -> tuple[int, int]:
        """How many packets it wrote, and how many the kernel had no room for."""
        assert self._process is not None
        self._process.send(signal.SIGINT)
        said = read_until(self._process.stderr, b"dropped by kernel", f"tcpdump's numbers on {self._host.name}")
        found = _NUMBERS.search(said)
        if found is None:
            raise LabError(f"tcpdump on {self._host.name} {self._interface} said: {said!r}")
        return int(found[1]), int(found[2])

    def count_so_far(self) -> int:
        """Packets on file by now: for waiting, inside the block."""
        return self._records() if self._host.path(self._file).exists() else 0

    def _records(self) -> int:
        data = self._host.path(self._file).read_bytes()
        order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
        position, records = _FILE_HEADER, 0
        while position < len(data):
            (length,) = struct.unpack_from(f"{order}I", data, position + 8)
            position += _RECORD_HEADER + length
            records += 1
        return records
