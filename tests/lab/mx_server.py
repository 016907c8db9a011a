#!/usr/bin/python3
"""The mail server of the MX host, and a few ports that tell a caller by which address it is seen.

Writes one JSON object a line to the file named on the command line: for each mail its peer, size and subject. The line
is on file before the client is told that the mail is taken. Says "ready" on standard output when all ports are open.
"""

from __future__ import annotations

import asyncio
import email.parser
import json
import sys
from typing import Any, cast

from aiosmtpd.smtp import SMTP

LARGEST_MAIL = 128 * 1024 * 1024  # bytes


class Recorder:
    def __init__(self, log_path: str) -> None:
        self._log = open(log_path, "a", encoding="utf-8", buffering=1)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        headers = email.parser.BytesHeaderParser().parsebytes(envelope.content)
        self._log.write(json.dumps({
            "peer": session.peer[0],
            "helo": session.host_name,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": headers.get("Subject", ""),
            "size": len(envelope.content),
        }) + "\n")
        return "250 2.0.0 taken"


class TellAddress(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._transport.sendto(f"{addr[0]}\n".encode(), addr)


async def tell_address(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{writer.get_extra_info('peername')[0]}\n".encode())
    await writer.drain()
    writer.close()


async def serve(log_path: str, udp_port: int, tcp_ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    recorder = Recorder(log_path)

    def session() -> SMTP:
        return SMTP(recorder, data_size_limit=LARGEST_MAIL, hostname="mx.example.org", ident="ESMTP", loop=loop)

    await loop.create_server(session, ["0.0.0.0", "::"], 25)
    for port in tcp_ports:
        await asyncio.start_server(tell_address, ["0.0.0.0", "::"], port)
    await loop.create_datagram_endpoint(TellAddress, local_addr=("0.0.0.0", udp_port))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
