#!/usr/bin/python3
"""The JSON schema of profiles and `smtp-egress check` say the same, but for what only one of them can say.

    SMTP_EGRESS               the program; default build/release/smtp-egress
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SMTP_EGRESS", str(ROOT / "build/release/smtp-egress"))
SCHEMA = json.loads((ROOT / "profiles/schema/profile.schema.json").read_text())
HOME_KEYS = {"table", "priority", "rp_filter", "nat", "steering", "docker", "inbound"}
VPS_KEYS = {"tenants", "wan", "public_ip", "public_ip6"}
GOOD, WRONG = 0, 2  # exit codes of the program

HOME = {"side": "home", "sources": ["192.168.203.0/24"]}
VPS = {"side": "vps", "sources": ["192.168.203.0/24"]}
MANY = [f"10.0.{i}.0/24" for i in range(65)]


def home(**keys: Any) -> dict[str, Any]:
    return {**HOME, **keys}


def vps(**keys: Any) -> dict[str, Any]:
    return {**VPS, **keys}


# Key -> values that are right, values that are wrong, for the program and the schema alike.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "$schema": (["", "file:///usr/share/smtp-egress/profile.schema.json"], [7, None]),
    "description": (["", "Zuhause: Mailu"], [7, None, ["x"]]),
    "tunnel": (["wg0", "wg-mail.25", "7", "#)+-.09;~", "fifteen-letters"],
               ["", ".", "..", "lo", "sixteen-letters.", "wg 0", "wg/0", "wg:0", "wg*", 'wg"', "wgé", "wg\u007f", 7, None, []]),
    "sources": ([["10.0.0.0/8"], ["16.0.0.0/4"], ["10.1.2.3"], ["10.1.2.3/32"], ["fd00:203::/64"], ["FD00:203::1"],
                 ["2001:db8:1:2:3:4:5:6"], ["2001:db8:1:2:3:4:5::"], ["2001:db8::1:2:3:4:0/112"], ["100::/16"],
                 ["2001:db8::/128"], ["fe7f::/64", "fec0::/64"], MANY[:64]],
                ["10.0.0.0/8", None, [7], [None], [["10.0.0.0/8"]], ["mailu"], [""], ["10.0.0.0/33"], ["10.0.0.0/"],
                 ["0.0.0.0/0"], ["0.0.0.0/3"], ["10.0.0/8"], ["256.0.0.0/8"], ["10.00.0.0/8"], ["10.0.0.0/8 "],
                 ["fd00::/129"], ["::/0"], ["2000::/3"], ["fe80::/64"], ["febf::1"], ["ff02::1"], ["::1"],
                 ["0:1::/64"], ["fd::/64"], ["00fd::/64"], ["::ffff:192.168.203.0/120"], ["fd00:::/64"],
                 ["fd00::1::2"], ["fd00:12345::/64"], ["2001:db8:1:2:3:4:5"], ["2001:db8:1:2:3:4:5:6:7"],
                 ["2001:db8::1:2:3:4:5:6"], ["fd00::g"], ["10.0.0.0/8", "10.0.0.0/8"], MANY]),
    "ports": ([[25], ["25"], [1, 65535], ["25-26", 465], ["0025"]],
              [25, "25", None, [], [0], [65536], [-25], ["0"], ["65536"], ["-25"], ["25-"], ["25-0"], [25.5], [None],
               [True], [25, 25], list(range(1, 66))]),
    "mark": (["0x19", "0X19", "25", 25, "0x19/0xff", "25/255", "auto", 0xffffffff, "0xffffffff"],
             ["", 0, "0", "0x0", "0/0xff", "smtp", "0x", "0x119/", "0x100000000", -1, 0x100000000, 1.5, None, ["auto"], True]),
}
VALUES["probe"] = (
    [[], ["mx.example.org"], ["mx.example.org:25", "192.0.2.25", "192.0.2.25:025"], ["2001:db8::25", "[2001:db8::25]:25"],
     ["mx"], ["a_b-c.example."], ["x" * 63 + ".example"], [f"mx{i}" for i in range(8)]],
    [None, "mx.example.org", {}, [7], [None], [""], ["mx example"], ["mx:0"], ["mx:65536"], ["mx:25-25"], ["mx:"], ["mx:smtp"],
     ["-x"], ["a..b"], ["."], ["192.0.2"], ["192.0.2.256"], ["192.0.2.25/32"], ["2001:db8::25/64"], ["[192.0.2.25]"],
     ["[2001:db8::25"], ["[mx]:25"], ["x" * 64], ["mx", "mx"], [f"mx{i}" for i in range(9)]])
FULL_NAMES: tuple[list[Any], list[Any]] = (
    ["mail.example.org", "a_b-c.example.", "10.113.0.203.in-addr.arpa", "_dmarc.example.org", "x" * 63 + ".example"],
    ["", "mail", "mail.", ".", "a..b", "-a.b", "a b.c", "mail.example.org:25", "192.0.2.25", "2001:db8::25", "x" * 64 + ".b", 7,
     ".example.org", "ä.example"])
VALUES["mail_name"] = ([None, *FULL_NAMES[0]], [*FULL_NAMES[1], ["mail.example.org"], True])
for _list in ("mail_domains", "blocklists"):
    VALUES[_list] = ([[], *([name] for name in FULL_NAMES[0]), [f"d{i}.example" for i in range(16)]],
                     [None, {}, "example.org", [None], *([name] for name in FULL_NAMES[1]), ["a.b", "a.b"],
                      [f"d{i}.example" for i in range(17)]])
INNER = {"remote": "100.64.0.1", "link": "tailscale0"}
VALUES["inner"] = (
    [None, INNER, *({**INNER, **members} for members in (
        {"kind": "vxlan"}, {"kind": "ipip"}, {"local": "auto"}, {"local": "100.64.0.2"}, {"port": 1}, {"port": "4789"},
        {"port": 65534}, {"remote": "fd7a:115c::1"}, {"remote": "fd7a::1", "local": "fd7a::2"}, {"address": "10.0.9.2"},
        {"address": ["10.0.9.2", "fd00:9::2"]}, {"address": []}))],
    [7, "vxlan", [], {}, {"remote": "100.64.0.1"}, {"link": "tailscale0"}, *({**INNER, **members} for members in (
        {"kind": "gre"}, {"kind": None}, {"local": ""}, {"local": 7}, {"remote": "100.64.0.1/32"}, {"remote": "mail"},
        {"remote": "127.0.0.1"}, {"remote": "0.0.0.0"}, {"remote": "224.0.0.1"}, {"remote": "fe80::1"},
        {"remote": "ff02::1"}, {"remote": "::1"}, {"remote": None}, {"link": "lo"}, {"link": "a/b"}, {"link": ""},
        {"link": None}, {"port": 0}, {"port": 65535}, {"port": "25-26"}, {"port": None}, {"port": 25.5}, {"address": 7},
        {"address": "10.0.9.2/32"}, {"address": [7]}, {"address": ["10.0.9.2", "10.0.9.2"]}, {"mtu": 1400}))])
BY_NAME = [[{"docker_network": "mailu_default"}], ["10.0.0.0/8", {"interface": "incusbr0"}, {"docker_network": "x"}]]
OWN_MAIL = [[{"user": "mox", "address": "10.0.1.2"}], [{"user": "mox"}], [{"user": 0}, {"user": "*"}], [{"user": "997"}],
            [{"user": "4294967294"}, {"user": 4294967293}], [{"user": "mox.7-_$"}, {"user": "7up"}],
            [{"user": 997, "address": ["10.0.1.2", "fd00:1::2"]}, "10.9.0.0/24"], [{"address": "192.168.1.10"}],
            [{"address": ["223.255.255.255", "2001:db8::7"]}]]
NO_OWN_MAIL = [[{"user": ""}], [{"user": None}], [{"user": -1}], [{"user": 4294967295}], [{"user": "4294967295"}],
               [{"user": "99999999999"}], [{"user": "a b"}], [{"user": "a:b"}], [{"user": "a/b"}], [{"user": "a\tb"}],
               [{"user": ["mox"]}], [{"user": "mox", "uid": 7}], [{"user": "mox", "interface": "br0"}],
               [{"user": "mox", "address": ""}], [{"user": "mox", "address": []}], [{"user": "mox", "address": None}],
               [{"user": "mox", "address": "10.0.1.2/32"}], [{"user": "mox", "address": ["10.0.1.2", "10.0.1.2"]}],
               [{"address": "0.0.0.1"}], [{"address": "127.0.0.1"}], [{"address": "169.254.1.1"}],
               [{"address": "224.0.0.1"}], [{"address": "::1"}], [{"address": "fe80::1"}], [{"address": "ff02::1"}],
               [{"address": "10.0.1"}], [{"address": "mail.example.net"}], [{"user": "mox"}, {"user": "mox"}]]
NO_NAMES = [[{}], [{"docker": "x"}], [{"docker_network": ""}], [{"docker_network": 7}], [{"interface": "a/b"}],
            [{"docker_network": "x", "interface": "y"}], [{"interface": "br0"}, {"interface": "br0"}]]
HOME_VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "table": ([1, 100, "100", "auto", 252, 256, 0xffffffff],
              [0, "0", 253, "254", 255, -1, 0x100000000, "main", "0100", "0x64", "", 1.5, None, True, [100]]),
    "priority": ([1, 10025, "10025", 32765, "32765", "auto"],
                 [0, "0", 32766, "32766", "40000", "123456", -1, "low", "010", "", 1.5, None, True, [10025]]),
    "rp_filter": (["all", "tunnel"], ["", "none", 2, None, ["all"]]),
    "nat": (["preserve", "masquerade"], ["", "Preserve", None]),
    "steering": (["mark", "rule"], ["", "auto", None]),
    "docker": (["auto", "exception", "sidestep"], ["", "none", None]),
    "inbound": (["any", "published"], ["", "none", None]),
}
VPS_VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "wan": (["auto", "ens3", "lo"], ["", "..", "sixteen-letters.", "ens 3", 3, None]),
    "public_ip": (["auto", "203.0.113.10", "10.0.0.1", "1.2.3.4", "126.0.0.1", "128.0.0.1", "223.255.255.255"],
                  ["", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "203.0.113.10/32", "203.0.113",
                   "203.0.113.256", "mail.example.com", "2001:db8::10", 7, None]),
    "public_ip6": (["auto", "2001:db8::10", "fd00::1", "FEC0::1"],
                   ["", "::", "::1", "::ffff:203.0.113.10", "ff02::1", "fe80::1", "2001:db8::10/128", "203.0.113.10",
                    "mail.example.com", 7, None]),
}
ALICE = {"name": "alice", "sources": ["192.168.203.0/24"]}
BOB = {"name": "bob", "sources": ["10.1.0.0/24", "fd00:1::/64"], "tunnel": "wg1", "public_ip": "203.0.113.11",
       "public_ip6": "2001:db8::11"}
TENANTS: tuple[list[Any], list[Any]] = (
    [[ALICE], [ALICE, BOB], [{**ALICE, "name": "A.b_c-9"}], [{**ALICE, "name": "x" * 48}], [{**ALICE, "sources": ["10.0.0.1"]}]],
    [None, {}, "alice", ["alice"], [{}], [{"name": "alice"}], [{"sources": ["10.0.0.0/8"]}], [{**ALICE, "sources": []}],
     [{**ALICE, "sources": "10.0.0.0/8"}], [{**ALICE, "sources": [{"interface": "br0"}]}], [{**ALICE, "sources": ["0.0.0.0/0"]}],
     [{**ALICE, "name": ""}], [{**ALICE, "name": "x" * 49}], [{**ALICE, "name": "a b"}], [{**ALICE, "name": ".a"}],
     [{**ALICE, "name": 7}], [{**ALICE, "mark": 7}], [{**ALICE, "tunnel": "lo"}], [{**ALICE, "tunnel": "wg/0"}],
     [{**ALICE, "public_ip": "auto"}], [{**ALICE, "public_ip": "2001:db8::1"}], [{**ALICE, "public_ip6": "203.0.113.1"}],
     [{**ALICE, "public_ip6": "auto"}], [ALICE, ALICE]])
PROFILES: tuple[list[Any], list[Any]] = (
    [HOME, VPS, *(home(sources=names) for names in BY_NAME + OWN_MAIL)],
    [{}, [], None, "home", {"side": "home"}, {"sources": ["10.0.0.0/8"]}, home(side="house"), home(side=None),
     home(tunel="wg0"), home(Tunnel="wg0"), vps(comment="x"), *(home(sources=names) for names in NO_NAMES + NO_OWN_MAIL),
     *(vps(sources=names) for names in BY_NAME + OWN_MAIL)])

# A schema knows no networks, no two keys at once, and no difference between 25 and 25.0.
ONLY_THE_PROGRAM: list[Any] = [
    home(sources=[]), home(sources=["192.168.203.1/24"]), home(sources=["fd00:203::1/64"]),
    home(sources=["10.0.0.0/8", "10.9.0.0/16"]), home(sources=["10.0.0.0/8", "26.0.0.0/8"]),
    home(sources=["fe00::/8"]), home(ports=[25, "25"]), home(ports=["25-30", 30]), home(ports=["26-25"]),
    home(ports=[25.0]), home(table=100.0), home(mark="0x119/0xff"), home(mark="4294967296"), home(table="4294967296"),
    vps(tunnel="wg0", wan="wg0"), home(sources=[{"user": "mox"}, {"user": "mox", "address": "10.0.1.2"}]),
    home(sources=["10.0.1.2", {"address": "10.0.1.2"}]), home(sources=[{"user": "x" * 257}]),
    {"side": "vps", "tenants": []}, {"side": "vps", "tenants": [ALICE], "wan": "wg0"},
    {"side": "vps", "tenants": [ALICE, {**BOB, "name": "alice"}]},
    {"side": "vps", "tenants": [ALICE, {**BOB, "sources": ["192.168.203.128/25"]}]},
    {"side": "vps", "tenants": [ALICE], "inner": INNER}, vps(inner={**INNER, "link": "eth0"}, wan="eth0"), home(inner={**INNER, "link": "wg0"}),
    home(inner={**INNER, "remote": "192.168.203.1"}), home(inner={**INNER, "local": "100.64.0.1"}),
    home(inner={**INNER, "local": "fd7a::2"}), home(inner={**INNER, "address": ["10.0.9.2", "10.0.9.3"]}),
    home(inner=INNER, nat="masquerade"), home(mail_domains=["example.org", "Example.ORG."]),
]
# What nobody writes, and the program reads all the same.
ONLY_THE_SCHEMA: list[Any] = [home(table=" 100"), home(sources=["2001:db8::192.0.2.1"])]


def table() -> tuple[list[Any], list[Any]]:
    """All profiles that are right, and all that are wrong."""
    right, wrong = list(PROFILES[0]), list(PROFILES[1])
    for base, values, others in ((HOME, VALUES | HOME_VALUES, VPS_VALUES), (VPS, VALUES | VPS_VALUES, HOME_VALUES)):
        for key, (good, bad) in values.items():
            right += [{**base, key: value} for value in good]
            wrong += [{**base, key: value} for value in bad]
        for key, (good, _) in others.items():
            wrong += [{**base, key: value} for value in good]
    right += [{"side": "vps", "tenants": value} for value in TENANTS[0]]
    wrong += [{"side": "vps", "tenants": value} for value in TENANTS[1]]
    wrong += [{"side": "home", "tenants": [ALICE]}, vps(tenants=[BOB])]
    return right, wrong


class Schema(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        os.umask(0o022)  # a profile that others may write to is refused
        self.directory = Path(directory.name)
        self.validator = jsonschema.Draft7Validator(SCHEMA)

    def checked(self, profiles: list[Any]) -> list[list[dict[str, str]]]:
        """What the program says of each."""
        paths = []
        for number, profile in enumerate(profiles):
            paths.append(self.directory / f"p{number}.json")
            paths[-1].write_text(json.dumps(profile))
        done = subprocess.run([PROGRAM, "--json", "check", *map(str, paths)], text=True, capture_output=True, check=False,
                              timeout=30)
        document = json.loads(done.stdout)
        errors = [file["errors"] for file in document["files"]]
        self.assertEqual([file["path"] for file in document["files"]], list(map(str, paths)))
        self.assertEqual([file["ok"] for file in document["files"]], [not those for those in errors])
        self.assertEqual((done.returncode, done.stderr), (WRONG if any(errors) else GOOD, ""))
        return errors

    def judged(self, profiles: list[Any], *, by_program: bool, by_schema: bool) -> None:
        for profile, errors in zip(profiles, self.checked(profiles), strict=True):
            with self.subTest(json.dumps(profile)[:100]):
                self.assertEqual(not errors, by_program, f"the program: {errors}")
                told = [error.message for error in self.validator.iter_errors(profile)]
                self.assertEqual(not told, by_schema, f"the schema: {told}")

    def test_it_is_a_schema(self) -> None:
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        self.assertEqual(SCHEMA["$schema"], jsonschema.Draft7Validator.META_SCHEMA["$schema"], "the draft it is read by")

    def test_both_judge_alike(self) -> None:
        right, wrong = table()
        self.judged(right, by_program=True, by_schema=True)
        self.judged(wrong, by_program=False, by_schema=False)

    def test_what_only_one_of_them_can_judge(self) -> None:
        self.judged(ONLY_THE_PROGRAM, by_program=False, by_schema=True)
        self.judged(ONLY_THE_SCHEMA, by_program=True, by_schema=False)

    def test_the_shipped_profiles(self) -> None:
        profiles = {path.stem: json.loads(path.read_text()) for path in (ROOT / "profiles").glob("*.json")}
        self.assertIn("mailu-home", profiles)
        for name, profile in profiles.items():
            with self.subTest(name):
                self.validator.validate(profile)
                generic = [error["key"] for error in self.checked([profile])[0]]
                self.assertEqual(generic, [] if profile["sources"] else ["sources"], "a generic one names no network")

    def test_the_readmes_example_has_all_keys_and_their_defaults(self) -> None:
        example = json.loads(re.search(r"^```json\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1])
        self.judged([example], by_program=True, by_schema=True)
        properties = SCHEMA["properties"]
        self.assertEqual(set(example), set(properties) - VPS_KEYS - {"$schema"})
        for key in set(example) - {"description"}:
            if "default" in properties[key]:
                self.assertEqual(properties[key]["default"], example[key], key)

    def test_defaults_and_examples_are_right(self) -> None:
        profiles = [{**(VPS if key in VPS_KEYS else HOME), key: value} for key, meaning in SCHEMA["properties"].items()
                    for value in [*meaning.get("examples", []), *([meaning["default"]] if "default" in meaning else [])]]
        self.assertGreater(len(profiles), len(SCHEMA["properties"]))
        self.judged(profiles, by_program=True, by_schema=True)

    def test_both_know_the_same_keys(self) -> None:
        properties = set(SCHEMA["properties"])
        for base, foreign in ((HOME, VPS_KEYS), (VPS, HOME_KEYS)):
            unknown = self.checked([{**base, "?": 1}])[0]
            self.assertEqual([error["key"] for error in unknown], ["?"])
            known = re.search(r"known are (.*)", unknown[0]["hint"])[1].split(", ")
            self.assertEqual(set(known) | {"$schema"}, properties - foreign)

    def test_every_key_is_explained_and_in_the_table_above(self) -> None:
        self.assertEqual(set(SCHEMA["properties"]), {"side"} | set(VALUES) | set(HOME_VALUES) | set(VPS_VALUES) | {"tenants"})
        for key, meaning in SCHEMA["properties"].items():
            with self.subTest(key):
                self.assertTrue(meaning["title"] and meaning["description"])
                for side, keys in (("Home", HOME_KEYS), ("VPS", VPS_KEYS)):
                    self.assertEqual(meaning["description"].startswith(f"{side} only"), key in keys)


if __name__ == "__main__":
    unittest.main()
