#!/usr/bin/python3
"""What `init` and `pair` refuse, and with what words; what init asks at a terminal; what it says of wg0.conf."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import unittest

from fresh_host import MAILU, Fresh, container, docker_of, network
from scenario import DONE, PROGRAM, REFUSED, Host, topology as at

from docker_daemon import SILENCE, http
from lab.sandbox import enter_command, environment


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
                ("silence", {"/networks": SILENCE}, "closed due to a timeout")):
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
                ("a novel", " " * 2_000_000 + good, "too long")):
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

    def at_terminal(self, host: Host, typed: str, *words: str, stderr: int | None = None) -> tuple[int, str]:
        """Its exit code, and what it said on the terminal and on standard output. `stderr`: in place of the terminal."""
        primary, secondary = pty.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, primary)
            command = enter_command(host.holder_pid, [str(PROGRAM), *words])
            os.write(primary, typed.encode())
            program = subprocess.Popen(command, stdin=secondary, stdout=subprocess.PIPE,
                                       stderr=secondary if stderr is None else stderr,
                                       env=environment(self.environment(host)), text=True)
            os.close(secondary)
            try:
                said, told = program.communicate(timeout=30)  # what is on the terminal, a few lines, waits in it
            except subprocess.TimeoutExpired:
                program.kill()
                raise
            return program.returncode, said + (told or "") + self.left_on(primary)

    @staticmethod
    def left_on(primary: int) -> str:
        said = b""
        with contextlib.suppress(OSError):  # EIO: all of it was read, and nobody has the other end
            while part := os.read(primary, 4096):
                said += part
        return said.decode()

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

    def test_where_nobody_sees_the_question_none_is_asked(self) -> None:
        with self.both():
            code, said = self.at_terminal(self.lab.home, "1\n", "init", "home", stderr=subprocess.PIPE)
        self.assertEqual(code, REFUSED, said)
        self.assertIn("--docker-network lists_default", said)
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
