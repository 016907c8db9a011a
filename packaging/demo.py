"""The demo's scenes: a mail that is blocked, both sides enabled, the same mail delivered, and all undone.

Everything told about a mail's way is counted on the spot, by packet captures at the five places it can pass.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))

from lab import Host, Lab, LabError, MailResult, topology as at  # noqa: E402

PROGRAM = Path(os.environ.get("SMTP_EGRESS", ROOT / "build/release/smtp-egress")).resolve()
ENVIRONMENT = {"SMTP_EGRESS_PROFILE_DIR": os.environ.get("SMTP_EGRESS_PROFILE_DIR", str(ROOT / "profiles"))}
MAIL_SIZE = 1_000_000  # bytes
TO_PORT_25 = "tcp dst port 25"

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
UNICODE = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def good(text: str) -> str:
    return paint("32", text)


def bad(text: str) -> str:
    return paint("31", text)


def faint(text: str) -> str:
    return paint("2", text)


def bold(text: str) -> str:
    return paint("1", text)


def drawn(text: str) -> str:
    """The picture's lines and marks in plain ASCII where the terminal has nothing better."""
    if UNICODE:
        return text
    return text.translate(str.maketrans("━╌▶┃╎╰╯╭✗✓│", "=->|:`',X*|"))


@dataclass(frozen=True)
class Place:
    """Where packets to port 25 were counted, and from which addresses they came."""

    name: str
    count: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """What one mail did."""

    result: MailResult
    container: Place
    isp: Place
    tunnel: Place
    vps: Place
    mx: Place

    def places(self) -> tuple[Place, ...]:
        return (self.container, self.isp, self.tunnel, self.vps, self.mx)


def send(lab: Lab) -> Way:
    """Sends one mail and watches every place it can pass."""
    watched: tuple[tuple[str, Host, str], ...] = (
        ("container, its way out", lab.container, at.UPLINK),
        ("ISP, on the home line", lab.isp, at.ISP_TO_HOME),
        ("home, into the tunnel", lab.home, "any"),  # the tunnel interface may be down, where none can be captured on
        ("VPS, out to the internet", lab.vps, at.UPLINK),
        ("MX, on arrival", lab.mx, at.UPLINK),
    )
    captures = [lab.capture(host, interface, TO_PORT_25) for _, host, interface in watched]
    with contextlib.ExitStack() as stack:
        for capture in captures:
            stack.enter_context(capture)
        result = lab.container.send_mail(MAIL_SIZE, bound=3)
    return Way(result, *(place(name, interface, capture.packets)
                         for (name, _, interface), capture in zip(watched, captures)))


def place(name: str, interface: str, packets: list[str]) -> Place:
    if interface == "any":
        packets = [packet for packet in packets if packet.startswith(f"{at.TUNNEL} ")]
    sources = {found[1] for packet in packets if (found := re.search(r"IP6? (\S+)\.\d+ >", packet))}
    return Place(name, len(packets), tuple(sorted(sources)))


def picture(way: Way) -> str:
    """The two ways out of home; a heavy line is one on which packets were counted."""
    by_line = way.isp.count > 0
    by_tunnel = way.tunnel.count > 0
    arrived = way.result.delivered
    line = bad("━━━▶") if by_line else faint("╌╌╌╌")
    end = bad("✗ drops tcp/25") if by_line else faint("saw nothing   ")
    down = good("┃") if by_tunnel else faint("╎")
    tunnel = good("╰━━━ wg0 ━━━▶") if by_tunnel else faint("╰╌╌╌ wg0 ╌╌╌╌")
    vps = bold("VPS") if by_tunnel else "VPS"
    onward = good("━━━━━━━╯") if arrived else faint("╌╌╌╌╌╌╌╯")
    corner, up = (good("╭━━▶"), good("┃")) if arrived else (faint("╭╌╌╌"), faint("╎"))
    return drawn(
        f"      container {paint('36', '━━━▶')} home {line} ISP  {end}          {corner} MX\n"
        f"                      {down}                                     {up}\n"
        f"                      {tunnel} {vps} {at.VPS} {onward}\n"
    )


class Demo:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._number = 0
        self._wrong: list[str] = []

    def scene(self, title: str) -> None:
        self._number += 1
        print(f"\n{bold(f'{self._number}. {title}')}\n", flush=True)

    def check(self, holds: bool, told: str) -> None:
        mark = good(drawn("✓")) if holds else bad(drawn("✗"))
        print(f"   {mark} {told}{'' if holds else bad('   (not so!)')}", flush=True)
        if not holds:
            self._wrong.append(told)

    def egress(self, host: Host, *arguments: str) -> None:
        print(f"   {paint('36', host.name)}# smtp-egress {' '.join(arguments)}")
        done = host.run([PROGRAM, *arguments], check=False, env=ENVIRONMENT)
        for text in (done.stdout + done.stderr).splitlines():
            print(f"   {faint(drawn('│'))} {text}")
        self.check(done.returncode == 0, f"exit code {done.returncode}")
        print()

    def show(self, way: Way) -> None:
        print(picture(way))
        print(faint("      packets to tcp/25           seen   from"))
        for place in way.places():
            print(f"      {place.name:<26} {place.count:>5}   {', '.join(place.sources) or '-'}")
        print()

    def blocked(self) -> None:
        way = send(self._lab)
        self.show(way)
        self.check(way.isp.count > 0 and way.tunnel.count == 0, "the ISP got the packets, and dropped them")
        self.check(not way.result.delivered, f"the mail did not arrive: {way.result.reason}")

    def delivered(self) -> None:
        before = self._lab.isp_leak_count()
        way = send(self._lab)
        self.show(way)
        self.check(way.result.delivered, f"the mail arrived at the first try: {way.result.size:,} bytes in "
                                         f"{way.result.seconds:.1f} s")
        self.check(way.result.seen_from == at.VPS, f"the MX's log says it came from {way.result.seen_from}")
        self.check(self._lab.isp_leak_count() == before, "not one packet to tcp/25 went by the home line")
        web = self._lab.container.seen_as(at.MX, 443)
        self.check(web == at.HOME, f"the container's tcp/443 still goes by the home line: seen as {web}")

    def tunnel_lost(self) -> None:
        before = self._lab.isp_leak_count()
        self._lab.home_tunnel.down()
        way = send(self._lab)
        self._lab.home_tunnel.up()
        self.show_refused(way)
        self.check(self._lab.isp_leak_count() == before, "not one packet to tcp/25 went by the home line")

    def show_refused(self, way: Way) -> None:
        print(picture(way))
        told = f"the sender is told so after {way.result.seconds:.1f} s, and keeps the mail"
        self.check(not way.result.delivered, told)

    def play(self) -> int:
        lab = self._lab
        sides: tuple[tuple[Host, str], ...] = ((lab.vps, "mailu-vps"), (lab.home, "mailu-home"))
        before = {host.name: lab.snapshot(host) for host, _ in sides}
        # One segment a packet from the start, so that the counts along the way can be compared.
        lab.container.ip_batch(f"link set {at.UPLINK} gso_max_segs 1\n")

        self.scene("Nothing is enabled. A mail leaves the container")
        self.blocked()

        self.scene("Both sides are enabled")
        self.egress(lab.vps, "enable", "mailu-vps", "--public-ip", at.VPS)
        self.egress(lab.home, "enable", "mailu-home", "--tunnel", at.TUNNEL)

        self.scene("The same mail again")
        self.delivered()

        self.scene("What both sides say about themselves")
        for host, instance in sides:
            self.egress(host, "status", instance)
            self.egress(host, "verify", instance)

        self.scene("The tunnel goes down: mail waits, and does not slip out by the home line")
        self.tunnel_lost()
        self.egress(lab.home, "enable", "mailu-home", "--tunnel", at.TUNNEL)

        self.scene("Both sides are disabled")
        self.egress(lab.home, "disable", "mailu-home")
        self.egress(lab.vps, "disable", "mailu-vps")
        self.blocked()

        self.scene("What is left behind")
        for host, _ in sides:
            same = lab.snapshot(host) == before[host.name]
            self.check(same, f"{host.name}: ruleset, rules, routes of all tables, sysctls: as before, to the byte")
        return self.end()

    def end(self) -> int:
        if not self._wrong:
            print(f"\n{good('All went as told.')}")
            return 0
        print(f"\n{bad('Not as told:')}")
        for told in self._wrong:
            print(f"   {told}")
        return 1


def main() -> int:
    if not PROGRAM.exists():
        print(f"demo: there is no program at {PROGRAM}", file=sys.stderr)
        return 1
    print(bold("smtp-egress: one host at home, one VPS, one tunnel, one blocked port"))
    print(f"""
   Five hosts, in network namespaces of this machine; no packet leaves them.

      container  {at.CONTAINER:<15} the mail stack, behind Docker's firewall
      home       {at.HOME:<15} the Docker host; its ISP drops tcp/25
      ISP                        the internet between them
      VPS        {at.VPS:<15} the other end of the WireGuard tunnel {at.TUNNEL}
      MX         {at.MX:<15} the mail server of somebody else""")
    try:
        with Lab() as lab:
            return Demo(lab).play()
    except KeyboardInterrupt:
        print("\nStopped; the lab is gone.")
        return 130
    except LabError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
