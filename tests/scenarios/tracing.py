"""What the scenarios of trace share: a trace that runs while something happens, or that knocks by itself."""

from __future__ import annotations

import contextlib
import json
import signal
from typing import Any, Iterator

from scenario import DONE, NOT_AS_IT_SHOULD_BE, PROGRAM, Host, Process, Scenario, topology as at

from lab.waiting import read_until

Document = dict[str, Any]


class Traced(Scenario):
    follower: Process

    def probe(self, *words: str, to: str = at.MX, expect: int | None = DONE) -> Document:
        """Of home, knocking at the MX."""
        return self.json_of(self.lab.home, "trace", "--probe", "--to", to, "--seconds", "4", *words, expect=expect)

    @contextlib.contextmanager
    def tracing(self, host: Host, *words: str, expect: int | None = DONE) -> Iterator[Document]:
        """Follows what happens inside the block; the document is filled at its end. `follower` is the program."""
        document: Document = {}
        self.follower = run = host.start([PROGRAM, "--json", "trace", "--seconds", "60", *words])
        try:
            read_until(run.stderr, b"following", "trace to begin")
            yield document
            run.send(signal.SIGINT)
            code = run.wait()
            said = run.stdout.read().decode()
            document.update(json.loads(said))
            self.assertEqual(document["exit"], code)
            if expect is not None:
                self.assertEqual(code, expect, said)
        finally:
            run.stop()

    def ways(self, document: Document, direction: str) -> list[Document]:
        return [way for way in document["journeys"] if way["direction"] == direction and way["judgement"] != "aside"]

    def assert_ways(self, document: Document, *, mail: str, replies: str) -> None:
        """All by these interfaces; some of each."""
        for direction, interface in (("mail", mail), ("reply", replies)):
            ways = self.ways(document, direction)
            self.assertTrue(ways, f"no {direction} was seen: {document}")
            self.assertEqual({way["out"] for way in ways}, {interface})
        self.assertEqual(document["packets"]["wrong"], 0)

    def first_wrong(self, document: Document) -> Document:
        self.assertEqual(document["exit"], NOT_AS_IT_SHOULD_BE)
        wrong = [way for way in document["journeys"] if way["judgement"] == "wrong"]
        self.assertTrue(wrong, f"nothing is wrong: {document}")
        return wrong[0]

    def tables(self, host: Host) -> str:
        return host.output(["nft", "list", "tables"])
