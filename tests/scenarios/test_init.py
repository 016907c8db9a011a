#!/usr/bin/python3
"""From a fresh host to a delivered mail: `init` and `enable` at each end, as the README has it, for every shape of home;
what init refuses, and with what words; the two ends held against each other.

Docker's daemon is a stand-in here: it answers for the networks and containers of a mail stack's compose project.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

from scenario import DONE, NOT_AS_IT_SHOULD_BE, PROGRAM, REFUSED, Completed, Host, HomeFirewall, Options, Scenario, topology as at

from lab import Stack, VpsAddress
from lab.sandbox import enter_command, environment
from lab.waiting import read_until

SOCKET, ANSWERS = "/run/docker.sock", "/run/docker-answers.json"
DOCKERS_BRIDGE = "br-8d03fe51b7c6"

# Serves the answers it is given, by path; any other path is a 404. An answer is sent as it is.
DAEMON = """
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
    answer = answers.get(words[1] if len(words) > 1 else "", "HTTP/1.0 404 -\\r\\n\\r\\n{}")
    if answer == "silence":
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


def network(name: str, *subnets: str, driver: str = "bridge", internal: bool = False) -> dict[str, object]:
    return {"Name": name, "Driver": driver, "Internal": internal,
            "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


def container(name: str, image: str, *networks: str, project: str = "", service: str = "") -> dict[str, object]:
    return {"Names": ["/" + name], "Image": image,
            "Labels": {"com.docker.compose.project": project, "com.docker.compose.service": service},
            "NetworkSettings": {"Networks": {network: {} for network in networks}}}


def docker_of(networks: list[dict[str, object]], containers: list[dict[str, object]]) -> dict[str, str]:
    """Docker's answers, by path."""
    networks = [network("bridge", "172.17.0.0/16"), network("host", driver="host"), *networks]
    answers = {"/networks": http(json.dumps(networks)), "/containers/json": http(json.dumps(containers))}
    return answers | {f"/networks/{known['Name']}": http(json.dumps(known)) for known in networks}


def stack_in_docker(project: str, service: str, image: str, *subnets: str) -> dict[str, str]:
    name = f"{project}_default"
    return docker_of([network(name, *subnets), network("web_default", "172.30.0.0/16")],
                     [container(f"{project}-{service}-1", image, name, project=project, service=service),
                      container("web-nginx-1", "nginx:1.27", "web_default", project="web", service="nginx")])


MAILU = stack_in_docker("mailu", "smtp", "ghcr.io/mailu/postfix:2024.06", at.CONTAINER_NET)


class Fresh(Scenario):
    """Each host has an /etc/smtp-egress of its own, which is not there yet."""

    def setUp(self) -> None:
        super().setUp()
        self.etc = Path(tempfile.mkdtemp(prefix="smtp-egress-init-"))
        self.addCleanup(shutil.rmtree, self.etc)

    def config(self, host: Host) -> Path:
        return self.etc / host.name

    def written(self, host: Host) -> list[str]:
        return sorted(str(path.relative_to(self.etc)) for path in self.config(host).rglob("*"))

    def environment(self, host: Host) -> dict[str, str]:
        return {"SMTP_EGRESS_CONFIG_DIR": str(self.config(host))}

    def smtp_egress(self, host: Host, *words: str, expect: int = DONE, input: str | None = None) -> Completed:
        done = host.run([PROGRAM, *words], check=False, env=self.environment(host), input=input)
        if done.returncode != expect:
            self.fail(f"{host.name}: smtp-egress {' '.join(words)}: exit {done.returncode}, not {expect}\n"
                      f"{done.stdout}{done.stderr}")
        return done

    @contextlib.contextmanager
    def docker(self, answers: dict[str, str]) -> Iterator[None]:
        self.lab.home.path(ANSWERS).write_text(json.dumps(answers))
        daemon = self.lab.home.start(["/usr/bin/python3", "-c", DAEMON, SOCKET, ANSWERS])
        read_until(daemon.stdout, b"listening", "the daemon")
        try:
            yield
        finally:
            daemon.stop()
            self.lab.home.path(SOCKET).unlink(missing_ok=True)

    def assert_mail_and_exact_undo(self, home: str, vps: str, before: tuple[str, str]) -> None:
        """With both ends enabled: mail, nothing else rerouted, all checks pass, nothing stays behind."""
        with self.no_leak(), self.knocking():
            self.assert_mail_passes()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
        self.assertEqual(inside.packets, [], "nothing of that belongs in the tunnel")
        for host, name in ((self.lab.home, home), (self.lab.vps, vps)):
            self.smtp_egress(host, "verify", name)
        self.smtp_egress(self.lab.home, "disable", home)
        self.smtp_egress(self.lab.vps, "disable", vps)
        for host, then in zip((self.lab.home, self.lab.vps), before):
            self.assert_same(then, self.lab.snapshot(host))

    def snapshots(self) -> tuple[str, str]:
        return self.lab.snapshot(self.lab.home), self.lab.snapshot(self.lab.vps)


class MailuFirst(Fresh):
    """Both orders of the ends, and the way a person goes at the README's hand."""

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.assert_said(done, "found tunnel: wg0", at.CONTAINER_NET, at.VPS, "sudo smtp-egress enable mail-vps")
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(MAILU):
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.assert_said(done, "docker network mailu_default", "container mailu-smtp-1", "Table = off",
                             f"AllowedIPs = {at.HOME_TUNNEL}/32, {at.CONTAINER_NET}", "enable mailu-home")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mail-vps", before)
        profile = json.loads((self.config(self.lab.home) / "mailu-home.json").read_text())
        self.assertEqual(profile["sources"], [{"docker_network": "mailu_default"}])

    def test_home_first_and_its_descriptor_to_the_vps(self) -> None:
        before = self.snapshots()
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            done = self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            self.assert_said(done, "mailu-home's descriptor", "enable mailu-vps")
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            # Each end against the other's.
            there = self.smtp_egress(self.lab.vps, "pair").stdout
            self.assert_said(self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there), "the two ends fit")
            self.assert_said(self.smtp_egress(self.lab.vps, "pair", "--with", "-", input=descriptor), "the two ends fit")
            self.assertNotIn("skipped", self.smtp_egress(self.lab.vps, "pair", "--with", "-", input=descriptor).stdout)
            self.assert_mail_and_exact_undo("mailu-home", "mailu-vps", before)


class MailcowOnBothFamilies(Fresh):
    options = Options(Stack("br-mailcow", "172.22.1.0/24", "172.22.1.1", "172.22.1.253",
                            network6="fd4d:6169:6c63:6f77::/64", gateway6="fd4d:6169:6c63:6f77::1",
                            address6="fd4d:6169:6c63:6f77::25"), ipv6=True)
    servers = (at.MX, at.MX6)

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        name = "mailcowdockerized_mailcow-network"
        postfix = container("mailcowdockerized-postfix-mailcow-1", "ghcr.io/mailcow/postfix:1.80", name,
                            project="mailcowdockerized", service="postfix-mailcow")
        with self.docker(docker_of([network(name, "172.22.1.0/24", "fd4d:6169:6c63:6f77::/64")], [postfix])):
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.assert_said(done, f"docker network {name}", "AllowedIPs = 0.0.0.0/0, ::/0")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            there = self.smtp_egress(self.lab.vps, "pair").stdout
            done = self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there)
            self.assert_said(done, "the two ends fit", at.VPS, at.VPS6)
            self.assert_mail_and_exact_undo("mailcow-home", "mailcow-vps", before)


class DockerMailserver(Fresh):
    options = Options(Stack(DOCKERS_BRIDGE, "172.16.42.0/24", "172.16.42.1", "172.16.42.3"))

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(stack_in_docker("mail", "mailserver", "ghcr.io/docker-mailserver/docker-mailserver:14",
                                         "172.16.42.0/24")):
            self.assert_said(self.smtp_egress(self.lab.home, "init", "home", "--yes"), "docker network mail_default")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("docker-mailserver-home", "mail-vps", before)


class IncusVm(Fresh):
    options = Options(Stack("incusbr0", "10.10.10.0/24", "10.10.10.1", "10.10.10.214", sender_alone=True),
                      home_firewall=HomeFirewall.NONE)

    def test_the_vm_by_its_address(self) -> None:
        before = self.snapshots()
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.smtp_egress(self.lab.vps, "enable")
        self.smtp_egress(self.lab.home, "init", "home", "--yes", "--subnet", "10.10.10.214/32")
        self.smtp_egress(self.lab.home, "enable")
        self.assert_mail_and_exact_undo("mail-home", "mail-vps", before)

    def test_its_bridge_where_nothing_is_said(self) -> None:
        """All of the bridge is the source then, and the VPS, which lets but the VM in, is told apart by `pair`."""
        done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
        self.assert_said(done, "interface incusbr0, 10.10.10.0/24", "all machines on incusbr0", "Docker does not run here")
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        there = self.smtp_egress(self.lab.vps, "pair").stdout
        done = self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there, expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, "2 checks failed", "home sends from 10.10.10.0/24, the VPS takes 10.10.10.214/32",
                         "AllowedIPs = 10.0.1.2/32, 10.10.10.214/32, 10.10.10.0/24")
        document = json.loads(self.smtp_egress(self.lab.home, "--json", "pair", "--with", "-", input=there,
                                               expect=NOT_AS_IT_SHOULD_BE).stdout)
        self.assertEqual([check["id"] for check in document["checks"] if check["outcome"] == "failed"],
                         ["sources", "vps-allowed-ips"])


class MappedAddress(Fresh):
    options = Options(vps_address=VpsAddress.MAPPED)

    def test_the_public_address_has_to_be_named(self) -> None:
        before = self.snapshots()
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes", expect=REFUSED)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assert_said(done, "eth0 has no public IPv4 address", "--public-ip ADDR")
        self.assertEqual(self.written(self.lab.vps), [])
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes", "--public-ip", at.VPS)
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mail-vps", before)


class Masquerade(Fresh):
    """The VPS has to know the tunnel's address alone, and home's descriptor tells it."""

    def test_from_homes_descriptor(self) -> None:
        before = self.snapshots()
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes", "--set", "nat=masquerade")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            profile = json.loads((self.config(self.lab.vps) / "mailu-vps.json").read_text())
            self.assertEqual(profile["sources"], [f"{at.HOME_TUNNEL}/32"])
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mailu-vps", before)


class Refusals(Fresh):
    """Exit code 2, one line that says what to do, and nothing written."""

    def refused(self, host: Host, *words: str, said: tuple[str, ...], input: str | None = None) -> None:
        then = self.written(host)
        with self.nothing_changes(host):
            done = self.smtp_egress(host, *words, expect=REFUSED, input=input)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
        self.assert_said(done, *said)
        self.assertEqual(self.written(host), then)

    def test_no_tunnel(self) -> None:
        self.lab.home_tunnel.delete()
        with self.docker(MAILU):
            self.refused(self.lab.home, "init", "home", "--yes", said=("no WireGuard interface", "--tunnel IF"))
            self.refused(self.lab.home, "init", "home", "--yes", "--tunnel", "wg7", said=("wg7: is not there",))

    def test_two_tunnels(self) -> None:
        second = type(self.lab.home_tunnel)(self.lab.home, self.lab.vps_tunnel.keys, self.lab.home_tunnel.keys.public,
                                            ("10.9.0.2/32",), "10.9.0.0/24", (), interface="wg9")
        second.create()
        with self.docker(MAILU):
            self.refused(self.lab.home, "init", "home", "--yes", said=("--tunnel wg0 for", "--tunnel wg9 for"))
            self.smtp_egress(self.lab.home, "init", "home", "--yes", "--tunnel", "wg0")

    def test_two_mail_stacks(self) -> None:
        both = docker_of([network("mailu_default", at.CONTAINER_NET), network("lists_default", "172.19.0.0/16")],
                         [container("mailu-smtp-1", "ghcr.io/mailu/postfix:2024.06", "mailu_default"),
                          container("lists-mta-1", "boky/postfix", "lists_default")])
        with self.docker(both):
            self.refused(self.lab.home, "init", "home", "--yes",
                         said=("--docker-network lists_default for", "--docker-network mailu_default for"))
            self.refused(self.lab.home, "init", "home", said=("--docker-network lists_default",))  # no terminal
            self.smtp_egress(self.lab.home, "init", "home", "--yes", "--docker-network", "mailu_default")
        self.assertEqual(self.written(self.lab.home), ["home/mailu-home.json"])

    def test_no_mail_stack(self) -> None:
        self.refused(self.lab.home, "init", "home", "--yes", said=("Docker does not run here", "--subnet CIDR"))
        web = docker_of([network("web_default", "172.30.0.0/16")], [container("web-1", "nginx", "web_default")])
        with self.docker(web):
            self.refused(self.lab.home, "init", "home", "--yes", said=("there are bridge, web_default", "--docker-network"))
            self.refused(self.lab.home, "init", "home", "--yes", "--docker-network", "mailu_default",
                         said=("network 'mailu_default'",))

    def test_a_profile_that_is_there(self) -> None:
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            path = self.config(self.lab.home) / "mailu-home.json"
            self.assertEqual(path.stat().st_mode & 0o777, 0o644)
            path.write_text("mine")
            self.refused(self.lab.home, "init", "home", "--yes", said=("is there already", "--force"))
            self.assertEqual(path.read_text(), "mine")
            self.smtp_egress(self.lab.home, "init", "home", "--yes", "--force")
            self.assertIn("mailu_default", path.read_text())
            self.assertEqual(self.written(self.lab.home), ["home/mailu-home.json"])

    def test_names_that_are_none(self) -> None:
        self.refused(self.lab.home, "init", "home", "../x", "--yes", said=("instance name",))
        done = self.smtp_egress(self.lab.home, "init", "here", expect=REFUSED)
        self.assert_said(done, "here not in {home,vps}")

    def test_dockers_that_are_none(self) -> None:
        half = MAILU["/networks"][:-20]
        for what, answers, word in (
                ("garbage", {"/networks": "\x00\x01\x02"}, "no answer that can be read"),
                ("half an answer", {"/networks": half}, "no answer that can be read"),
                ("no list", {"/networks": http("{}")}, "no JSON list"),
                ("JSON cut short", {"/networks": http('[{"Name": "mailu_')}, "no JSON list"),
                ("an error", {"/networks": http('{"message": "out of order"}', 500)}, "500: out of order"),
                ("a network that is none", {"/networks": http('[{"Name": 7}]')}, "number 1 in the daemon's answer is none"),
                ("a container that is none", {"/containers/json": http('[7]')}, "number 1 in the daemon's answer is none"),
                ("more than 4 MiB", {"/networks": http(" " * (5 << 20))}, "no answer that can be read"),
                ("silence", {"/networks": "silence"}, "closed due to a timeout")):
            with self.subTest(what), self.docker(MAILU | answers):
                self.refused(self.lab.home, "init", "home", "--yes", said=("ask Docker for", word, "--subnet"))

    def test_descriptors_that_are_none(self) -> None:
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            good = self.smtp_egress(self.lab.home, "pair").stdout
        for what, text, word in (
                ("another version", good.replace('"smtp-egress-pair": 1', '"smtp-egress-pair": 2'), "is of version 2"),
                ("another network", good.replace("192.168.203.0", "192.168.204.0"), "checksum does not fit"),
                ("half of one", good[:len(good) // 2], "only a part of one"),
                ("nothing", "", "is empty"),
                ("a profile", '{"side": "home"}', 'no "smtp-egress-pair"'),
                ("a novel", " " * 100_000 + good, "too long")):
            with self.subTest(what):
                self.refused(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=text, said=(word, "standard input"))
        self.refused(self.lab.vps, "init", "vps", "--from-home", "/nowhere", said=("/nowhere", "No such file"))
        self.refused(self.lab.home, "init", "home", "--from-home", "-", said=("is for the VPS",))
        self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=good)
        with self.docker(MAILU):
            self.refused(self.lab.home, "pair", "--with", "-", input=good, said=("of this side too",))
        there = self.smtp_egress(self.lab.vps, "pair").stdout
        self.refused(self.lab.vps, "init", "vps", "other", "--from-home", "-", input=there, said=("is a VPS's descriptor",))


class AtATerminal(Fresh):
    """What is asked, by a terminal of its own: an answer, another try, the end of input."""

    def at_terminal(self, host: Host, typed: str, *words: str) -> tuple[int, str]:
        primary, secondary = pty.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, primary)
            command = enter_command(host.holder_pid, [str(PROGRAM), *words])
            os.write(primary, typed.encode())
            program = subprocess.Popen(command, stdin=secondary, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       env=environment(self.environment(host)), text=True)
            os.close(secondary)
            said, _ = program.communicate(timeout=30)
            return program.returncode, said

    def both(self) -> contextlib.AbstractContextManager[None]:
        return self.docker(docker_of(
            [network("mailu_default", at.CONTAINER_NET), network("lists_default", "172.19.0.0/16")],
            [container("mailu-smtp-1", "ghcr.io/mailu/postfix:2024.06", "mailu_default"),
             container("lists-mta-1", "boky/postfix", "lists_default")]))

    def test_a_choice(self) -> None:
        with self.both():
            code, said = self.at_terminal(self.lab.home, "7\nx\n2\n", "init", "home")
        self.assertEqual(code, DONE, said)
        self.assertIn("1) docker network lists_default, 172.19.0.0/16 (container lists-mta-1) [default]", said)
        self.assertEqual(said.count("That is none of them."), 2, said)
        profile = json.loads((self.config(self.lab.home) / "mailu-home.json").read_text())
        self.assertEqual(profile["sources"], [{"docker_network": "mailu_default"}])

    def test_several_and_the_default(self) -> None:
        with self.both():
            code, said = self.at_terminal(self.lab.home, "2,1\n", "init", "home", "two")
            self.assertEqual(code, DONE, said)
            code, said = self.at_terminal(self.lab.home, "\n", "init", "home", "one")
            self.assertEqual(code, DONE, said)
        sources = [json.loads((self.config(self.lab.home) / f"{name}.json").read_text())["sources"] for name in ("two", "one")]
        self.assertEqual(sources, [[{"docker_network": "mailu_default"}, {"docker_network": "lists_default"}],
                                   [{"docker_network": "lists_default"}]])

    def test_the_end_of_input_writes_nothing(self) -> None:
        with self.both():
            code, said = self.at_terminal(self.lab.home, "\x04", "init", "home")
        self.assertEqual(code, REFUSED, said)
        self.assertIn("nothing was chosen, and nothing was written", said)
        self.assertEqual(self.written(self.lab.home), [])

    def test_yes_never_asks(self) -> None:
        with self.both():
            code, said = self.at_terminal(self.lab.home, "1\n", "init", "home", "--yes")
        self.assertEqual(code, REFUSED, said)
        self.assertNotIn("[default]", said)


class WgConf(Fresh):
    """Mistakes in wg0.conf, with their mends; no key of it is told."""

    def conf(self, text: str) -> str:
        path = self.etc / "wg0.conf"
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def test_at_home(self) -> None:
        secret = self.lab.home_tunnel.keys.private
        conf = self.conf(f"[Interface]\nPrivateKey = {secret}\n[Peer]\nAllowedIPs = 10.0.1.0/24\n{secret}\n")
        with self.docker(MAILU):
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes", "--wg-conf", conf)
            self.assert_said(done, "Table = off is missing", "has", "AllowedIPs = 10.0.1.0/24, 0.0.0.0/0",
                             "no Endpoint", "PersistentKeepalive = 25", "line 5 is no setting")
            self.assertNotIn(secret, done.stdout + done.stderr)
            document = json.loads(self.smtp_egress(self.lab.home, "--json", "init", "home", "other", "--wg-conf", conf).stdout)
            self.assertEqual(len(document["mistakes"]), 5, document["mistakes"])
            good = self.conf("[Interface]\nTable = off\n[Peer]\nEndpoint = vps.example.net:51820\n"
                             "AllowedIPs = 0.0.0.0/0\nPersistentKeepalive = 25\n")
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes", "--force", "--wg-conf", good)
            self.assert_said(done, "is as it should be")

    def test_the_tunnel_as_it_runs(self) -> None:
        self.lab.vps_tunnel.set_allowed_ips(f"{at.HOME_TUNNEL}/32")
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
        self.assert_said(done, f"wg0 as it runs lets no {at.CONTAINER_NET} through",
                         f"AllowedIPs = {at.HOME_TUNNEL}/32, {at.CONTAINER_NET} in wg0.conf")

    def test_a_file_that_is_not_there(self) -> None:
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes", "--wg-conf", "/nowhere.conf", expect=REFUSED)
        self.assert_said(done, "/nowhere.conf", "--wg-conf")
        self.assertEqual(self.written(self.lab.vps), [])


class Printed(Fresh):
    def test_print_leaves_no_file(self) -> None:
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes", "--print")
        self.assertEqual(json.loads(done.stdout)["public_ip"], at.VPS)
        self.assert_said(done, "found wan: eth0")
        self.assertFalse(re.search("wrote|next", done.stderr))
        self.assertFalse(self.config(self.lab.vps).exists())


if __name__ == "__main__":
    unittest.main()
