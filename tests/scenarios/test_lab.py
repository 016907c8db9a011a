#!/usr/bin/python3
"""What the other tests stand on: a capture tells all that passed in its block, and nothing else, whatever else passes."""

from __future__ import annotations

import contextlib
import unittest
from typing import Iterator

from scenario import Scenario, topology as at

from lab.waiting import read_until

# Datagrams to a port that nobody listens to: as many as named, or without end.
_SEND = """
import itertools, socket, sys
to, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("sending", flush=True)
for _ in range(number) if number else itertools.count():
    try:
        sender.sendto(b"x", (to, port))
    except ConnectionRefusedError:  # of one sent before
        pass
"""
OTHERS, WANTED = 4000, 4001
CAPTURES = 20  # under the flood, each has something come in between its socket and its filter


class Captures(Scenario):
    @contextlib.contextmanager
    def flooded(self) -> Iterator[None]:
        flood = self.lab.home.start(["/usr/bin/python3", "-c", _SEND, at.HOME_ROUTER, str(OTHERS), "0"])
        read_until(flood.stdout, b"sending", "the flood")
        try:
            yield
        finally:
            flood.stop()

    def test_what_came_before_the_filter_keeps_none_from_its_end(self) -> None:
        with self.flooded():
            for _ in range(CAPTURES):
                with self.lab.capture(self.lab.isp, at.ISP_TO_HOME, f"udp dst port {WANTED}") as capture:
                    pass
                self.assertEqual(capture.packets, [])

    def test_it_has_the_last_packet_of_the_block(self) -> None:
        with self.flooded():
            for number in (1, 300, 3000):
                with self.lab.capture(self.lab.isp, at.ISP_TO_HOME, f"udp dst port {WANTED}") as capture:
                    self.lab.home.run(["/usr/bin/python3", "-c", _SEND, at.HOME_ROUTER, str(WANTED), str(number)])
                self.assertEqual(capture.count, number)


if __name__ == "__main__":
    unittest.main()
