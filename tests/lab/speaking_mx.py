#!/usr/bin/python3
"""Mail servers of all kinds for a probe to talk to, on port 25 in place of the MX host's own.

    speaking_mx.py tell [ADDRESS]   a real one, which lets commands be pipelined and tells whom it sees, or ADDRESS
    speaking_mx.py banner TEXT      one that says that and hangs up
    speaking_mx.py silent           one that takes connections and says nothing
    speaking_mx.py old              one that knows HELO, and no EHLO
    speaking_mx.py reset            one that lets commands be pipelined, and resets the connection then

Says "ready" on standard output when its port is open, then a line for each command that it was sent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Any

from aiosmtpd.smtp import SMTP


class Teller:
    def __init__(self, address: str | None) -> None:
        self._address = address

    async def handle_EHLO(self, server: SMTP, session: Any, envelope: Any, name: str, responses: list[str]) -> list[str]:
        session.host_name = name
        address = self._address or str(session.peer[0])
        literal = f"IPv6:{address}" if ":" in address else address
        print(f"EHLO {name}", flush=True)
        return [f"250-mx.example.org at your service, [{literal}]", "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        print("MAIL", flush=True)
        return "250 2.1.0 OK"

    async def handle_QUIT(self, server: SMTP, session: Any, envelope: Any) -> str:
        print("QUIT", flush=True)
        return "221 2.0.0 Bye"


async def serve(words: list[str]) -> None:
    loop = asyncio.get_running_loop()

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{words[1]}\r\n".encode())
        await writer.drain()
        writer.close()

    async def know_helo_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.org old\r\n")
        while command := (await reader.readline()).decode().strip():
            print(command, flush=True)
            answers = {"HELO": b"250 mx.example.org\r\n", "QUIT": b"221 Bye\r\n"}
            writer.write(answers.get(command.split()[0], b"502 5.5.1 unrecognized command\r\n"))
        writer.close()

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.org ESMTP\r\n")
        await reader.readline()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"250-mx.example.org\r\n250 PIPELINING\r\n")
        writer.close()

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    if words[0] == "tell":
        teller = Teller(words[1] if len(words) > 1 else None)
        await loop.create_server(lambda: SMTP(teller, hostname="mx.example.org", ident="ESMTP", loop=loop),
                                 ["0.0.0.0", "::"], 25)
    else:
        kinds = {"banner": say, "silent": say_nothing, "old": know_helo_alone, "reset": reset}
        await asyncio.start_server(kinds[words[0]], ["0.0.0.0", "::"], 25)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
