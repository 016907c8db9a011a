#!/usr/bin/python3
"""Wrong words and wrong profiles: the documented exit code, one line that names file, key and what would be right, and
nothing touched."""

from __future__ import annotations

import json
import unittest
from typing import Any

from scenario import REFUSED, Detail, Scenario, topology

HOME = {"side": "home", "sources": [topology.CONTAINER_NET]}
VPS = {"side": "vps", "sources": [topology.CONTAINER_NET]}

# Profile, and what the one line must name beside the file.
WRONG_PROFILES: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("unknown key", {**HOME, "tunel": "wg0"}, ("'tunel'", "tunnel")),
    ("no side", {"sources": [topology.CONTAINER_NET]}, ("'side'", "home", "vps")),
    ("wrong side", {**HOME, "side": "house"}, ("'side'", "'house'", "vps")),
    ("no sources", {"side": "home"}, ("'sources'", "--subnet")),
    ("sources not a list", {**HOME, "sources": topology.CONTAINER_NET}, ("'sources'", "list")),
    ("source not a network", {**HOME, "sources": ["192.168.203"]}, ("'sources'", "192.168.203.0/24")),
    ("prefix too long", {**HOME, "sources": ["192.168.203.0/33"]}, ("'sources'", "0 to 32")),
    ("host bits set", {**HOME, "sources": ["192.168.203.10/24"]}, ("'sources'", "192.168.203.0/24")),
    ("the whole internet", {**HOME, "sources": ["0.0.0.0/0"]}, ("'sources'", "internet")),
    ("link-local source", {**HOME, "sources": ["fe80::/64"]}, ("'sources'", "link-local")),
    ("overlapping sources", {**HOME, "sources": ["192.168.203.0/24", "192.168.0.0/16"]}, ("'sources'", "overlaps")),
    ("tunnel of the wrong type", {**HOME, "tunnel": ["wg0"]}, ("'tunnel'", "array")),
    ("tunnel's name too long", {**HOME, "tunnel": "wireguard-to-vps"}, ("'tunnel'", "16 bytes", "15")),
    ("tunnel with a slash", {**HOME, "tunnel": "../wg0"}, ("'tunnel'", "'/'")),
    ("tunnel with a control byte", {**HOME, "tunnel": "wg\u001b0"}, ("'tunnel'", "\\x1b")),
    ("mark 0", {**HOME, "mark": "0x0"}, ("'mark'", "0x19")),
    ("mark outside its mask", {**HOME, "mark": "0x119/0xff"}, ("'mark'", "mask")),
    ("mark of 33 bits", {**HOME, "mark": "0x100000000"}, ("'mark'", "32 bits")),
    ("mark not a number", {**HOME, "mark": "smtp"}, ("'mark'", "0x19")),
    *((f"table {table}", {**HOME, "table": table}, ("'table'", "100")) for table in (0, 253, 254, 255)),
    ("table negative", {**HOME, "table": -1}, ("'table'",)),
    ("table fractional", {**HOME, "table": 100.5}, ("'table'",)),
    ("priority 0", {**HOME, "priority": 0}, ("'priority'", "10025")),
    ("priority behind main", {**HOME, "priority": 32767}, ("'priority'", "32766")),
    ("port 0", {**HOME, "ports": [0]}, ("'ports'", "1 to 65535")),
    ("port 65536", {**HOME, "ports": [65536]}, ("'ports'", "1 to 65535")),
    ("ports backwards", {**HOME, "ports": ["30-25"]}, ("'ports'",)),
    ("no port", {**HOME, "ports": []}, ("'ports'", "[25]")),
    ("port twice", {**HOME, "ports": [25, "20-30"]}, ("'ports'", "overlaps")),
    ("rp_filter unknown", {**HOME, "rp_filter": "off"}, ("'rp_filter'", "tunnel")),
    ("a key of the other side", {**HOME, "wan": "eth0"}, ("'wan'", "VPS")),
    ("a home key on the VPS", {**VPS, "table": 100}, ("'table'", "home")),
    ("public address IPv6", {**VPS, "public_ip": "2001:db8::1"}, ("'public_ip'", "IPv4")),
    ("public address a name", {**VPS, "public_ip": "vps.example.net"}, ("'public_ip'", "IPv4")),
    ("public IPv6 address IPv4", {**VPS, "public_ip6": "203.0.113.10"}, ("'public_ip6'", "IPv6")),
    ("public address multicast", {**VPS, "public_ip": "224.0.0.1"}, ("'public_ip'",)),
    ("WAN is the tunnel", {**VPS, "wan": "wg0"}, ("'wan'", "tunnel")),
    ("not an object", [HOME], ("object",)),
    ("a user that is none", {**HOME, "sources": [{"user": "a b"}]}, ("'sources'", "no user's name")),
    ("a user's address that is a network", {**HOME, "sources": [{"user": "mox", "address": "10.0.1.2/32"}]},
     ("'sources'", "10.0.1.2")),
    ("a user on the VPS", {**VPS, "sources": [{"user": 997, "address": "10.0.1.2"}]}, ("'sources'", "10.0.1.2/32")),
)
WRONG_TEXTS = (
    ("not JSON", '{"side": "home",\n "sources" []}', ("line 2",)),
    ("empty", "", ("JSON",)),
    ("a key twice", '{"side": "home", "sources": ["192.168.203.0/24"], "mark": "0x19", "mark": "0x20"}', ("'mark'", "twice")),
    ("half a file", '{"side": "home", "sour', ("line 1",)),
)
WRONG_WORDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("no command", (), ()),
    ("unknown command", ("enabel", "mailu-home"), ("enabel",)),
    ("unknown option", ("enable", "mailu-home", "--tunel", "wg0"), ("--tunel",)),
    ("unknown profile", ("enable", "mailu-hom"), ("'mailu-hom'", "mailu-home")),
    ("missing file", ("enable", "./no-such.json"), ("./no-such.json",)),
    ("instance name with odd bytes", ("enable", "mailu home"), ("letters",)),
    ("instance name dot-dot", ("disable", ".."), ("letters",)),
    ("set without a value", ("enable", "mailu-home", "--set", "table"), ("KEY=VALUE",)),
    ("set of an unknown key", ("enable", "mailu-home", "--set", "tabel=200"), ("command line", "'tabel'")),
    ("set of a wrong value", ("enable", "mailu-home", "--set", "table=254"), ("command line", "'table'", "100")),
    ("bad subnet", ("enable", "home", "--subnet", "192.168.203.1/24"), ("command line", "192.168.203.0/24")),
    ("generic profile without its network", ("enable", "home"), ("--subnet",)),
    ("overlapping subnets", ("enable", "home", "--subnet", "10.0.0.0/8", "--subnet", "10.1.0.0/16"), ("overlaps",)),
    ("interface name too long", ("enable", "mailu-home", "--tunnel", "averyveryverylongname"), ("15",)),
    ("home option on the VPS side only", ("enable", "mailu-home", "--public-ip", topology.VPS), ("'public_ip'", "VPS")),
    ("empty tunnel", ("enable", "mailu-home", "--tunnel", ""), ("command line", "'tunnel'", "wg0")),
    ("no instance", ("enable",), ("INSTANCE",)),
    ("a user that nobody is", ("enable", "mox-home", "--set", 'sources=[{"user": "nobody-of-that-name"}]'),
     ("user nobody-of-that-name", "no such user", "getent passwd")),
    ("quiet and verbose", ("--quiet", "--verbose", "enable", "mailu-home"), ()),
)

# What is made before (in /run/bad, by the shell), environment, words of the command line, what the line must name.
STATE = "/run/bad/state"
OWN_STATE = {"SMTP_EGRESS_STATE_DIR": STATE}
ENABLE = ("enable", "mailu-home")
WRONG_SURROUNDINGS: tuple[tuple[str, str, dict[str, str], tuple[str, ...], tuple[str, ...]], ...] = (
    ("state directory's parent missing", "", {"SMTP_EGRESS_STATE_DIR": "/run/bad/no/such"}, ENABLE,
     ("/run/bad/no/such", "make the directory above it")),
    ("state directory is a file", "touch state", OWN_STATE, ENABLE, (STATE, "--state-dir")),
    ("state directory is a dangling link", "ln -s nowhere state", OWN_STATE, ENABLE, (STATE, "--state-dir")),
    ("state directory is a loop", "ln -s state state", OWN_STATE, ENABLE, (STATE, "--state-dir")),
    ("state directory of endless name", "", {"SMTP_EGRESS_STATE_DIR": "/run/bad/" + "s" * 300}, ENABLE,
     ("create state directory", "--state-dir")),
    ("state directory named on the command line wins", "touch other", {}, ("--state-dir", "/run/bad/other", *ENABLE),
     ("/run/bad/other",)),
    *((f"state directory of mode {mode}", f"install -d -m {mode} state", OWN_STATE, ENABLE,
       (f"mode {mode}", "others may write", "chmod 0700")) for mode in ("0770", "0707", "1777", "2775")),
    ("state directory of another user", "install -d -o 65534 state", OWN_STATE, ENABLE, ("owner 65534", "chown 0")),
    ("link to another user's directory", "install -d -o 65534 theirs; ln -s theirs state", OWN_STATE, ENABLE,
     ("owner 65534",)),
    ("the lock is a link", "install -d -m 700 state; ln -s /run/bad/victim state/lock", OWN_STATE, ENABLE,
     ("open lock", f"{STATE}/lock")),
    ("the lock is a directory", "install -d -m 700 state/lock", OWN_STATE, ENABLE, ("open lock", f"{STATE}/lock")),
    *((f"the state file is a {what}, {command[0]}", f"install -d -m 700 state; {make}", OWN_STATE, command,
       (f"{STATE}/mailu-home.json",))
      for what, make in (("link", "ln -s /run/bad/victim state/mailu-home.json"),
                         ("dangling link", "ln -s nowhere state/mailu-home.json"),
                         ("directory", "mkdir state/mailu-home.json"))
      for command in (ENABLE, ("disable", "mailu-home"), ("status", "mailu-home"), ("verify", "mailu-home"),
                      ("plan", "mailu-home"))),
    ("the new state file is a link", "install -d -m 700 state; ln -s /run/bad/victim state/mailu-home.json.new",
     OWN_STATE, ENABLE, ("create state", f"{STATE}/mailu-home.json")),
    ("the new state file is a directory", "install -d -m 700 state/mailu-home.json.new", OWN_STATE, ENABLE,
     ("create state", f"{STATE}/mailu-home.json")),
    ("another instance's state file is a directory", "install -d -m 700 state/other.json", OWN_STATE, ENABLE,
     (f"{STATE}/other.json",)),
    ("no profiles where they are said to be", "", {"SMTP_EGRESS_PROFILE_DIR": "/run/bad/none"}, ENABLE,
     ("'mailu-home'", "there are: none")),
    ("profile is a directory", "mkdir wrong.json", {}, ("enable", "/run/bad/wrong.json"), ("/run/bad/wrong.json",)),
    ("profile is a loop", "ln -s wrong.json wrong.json", {}, ("enable", "/run/bad/wrong.json"), ("/run/bad/wrong.json",)),
    ("profile is too large", "truncate -s 20M wrong.json", {}, ("enable", "/run/bad/wrong.json"),
     ("/run/bad/wrong.json", "some hundred bytes")),
    ("profile that others may write to", "touch wrong.json; chmod 0666 wrong.json", {},
     ("enable", "/run/bad/wrong.json"), ("others may write", "mode 0666", "chmod go-w")),
    ("profile of another user", "install -o 65534 /dev/null wrong.json", {}, ("enable", "/run/bad/wrong.json"),
     ("owner 65534", "chown root")),
    ("profile in another user's directory", "install -d -o 65534 etc; touch etc/mine.json",
     {"SMTP_EGRESS_CONFIG_DIR": "/run/bad/etc"}, ("enable", "mine"), ("/run/bad/etc (owner 65534",)),
)


class BadInput(Scenario):
    """One lab for all: that nothing was touched is what each of them shows."""

    cases = 0

    @classmethod
    def tearDownClass(cls) -> None:
        print(f"{cls.cases} wrong inputs refused", flush=True)

    def refused(self, *arguments: str, words: tuple[str, ...], before: tuple[str, ...] = ()) -> str:
        done = self.egress(self.lab.home, *arguments, expect=REFUSED, before=before)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, f"one line, please: {done.stderr}")
        self.assert_said(done, *words)
        type(self).cases += 1
        return done.stderr

    def test_wrong_profiles(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            for title, profile, words in WRONG_PROFILES:
                self.wrong_file(title, json.dumps(profile), words)
            for title, text, words in WRONG_TEXTS:
                self.wrong_file(title, text, words)

    def wrong_file(self, title: str, text: str, words: tuple[str, ...]) -> None:
        with self.subTest(title):
            self.lab.home.path("/run/wrong.json").write_text(text)
            said = self.refused("enable", "/run/wrong.json", words=("/run/wrong.json", *words))
            done = self.egress(self.lab.home, "check", "/run/wrong.json", expect=REFUSED)
            self.assertEqual(done.stdout.splitlines()[:1], [said.removeprefix("smtp-egress: read profile ").strip()])

    def test_wrong_words(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            for title, arguments, words in WRONG_WORDS:
                with self.subTest(title):
                    self.refused(*arguments, words=words)

    def test_wrong_surroundings(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            for title, make, environment, arguments, words in WRONG_SURROUNDINGS:
                with self.subTest(title):
                    self.lab.home.run(["sh", "-ec", f"umask 022; rm -rf /run/bad; mkdir /run/bad; cd /run/bad; "
                                                    f"echo untouched >victim; {make}"])
                    self.refused(*arguments, words=words,
                                 before=("env", *(f"{name}={value}" for name, value in environment.items())))
                    self.assertEqual(self.lab.home.path("/run/bad/victim").read_text(), "untouched\n")

    def test_a_taken_priority(self) -> None:
        self.lab.home.run(["ip", "rule", "add", "from", "10.9.0.0/16", "lookup", "77", "pref", "10025"])
        self.in_the_way("10025", "priority")

    def test_a_used_table(self) -> None:
        self.lab.home.run(["ip", "route", "add", "10.9.0.0/16", "via", topology.HOME_ROUTER, "table", "100"])
        self.in_the_way("10.9.0.0/16", "table")

    def test_a_used_mark(self) -> None:
        self.lab.home.run(["ip", "rule", "add", "fwmark", "0x19", "lookup", "77", "pref", "500"])
        self.in_the_way("500: from all fwmark 0x19", "mark")

    def test_another_default_route_in_the_table(self) -> None:
        self.lab.home.run(["ip", "route", "add", "default", "via", topology.HOME_ROUTER, "table", "100"])
        self.in_the_way(topology.HOME_ROUTER, "table")

    def in_the_way(self, *words: str) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            self.refused("enable", "mailu-home", words=words)
        self.assertIn("in the way", self.egress(self.lab.home, "plan", "mailu-home").stdout)

    def test_what_another_instance_has(self) -> None:
        self.enable_home()
        apart = ("enable", "home", "--subnet", "10.9.0.0/24", "--set", "table=200", "--set", "priority=10026", "--set",
                 "mark=0x1a")
        for title, arguments, word in (
                ("source", ("--subnet", "192.168.203.128/25"), "sources and ports"),
                ("table", ("--set", "table=100"), "table 100"),
                ("priority", ("--set", "priority=10025"), "priority 10025"),
                ("mark", ("--set", "mark=0x19/0xff"), "mark 0x19")):
            with self.subTest(title), self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
                self.refused(*apart, *arguments, words=("instance mailu-home", word, "Nothing was changed"))

    def test_the_uplink_is_no_tunnel(self) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            self.refused("enable", "mailu-home", "--tunnel", topology.UPLINK, words=("is the uplink", "--tunnel wg0"))

    def test_json_says_the_same(self) -> None:
        done = self.egress(self.lab.home, "--json", "enable", "mailu-hom", expect=REFUSED)
        document = json.loads(done.stdout)
        self.assertEqual((document["version"], document["ok"], document["exit"]), (1, False, REFUSED))
        self.assertEqual(document["error"]["kind"], "usage")


if __name__ == "__main__":
    unittest.main()
