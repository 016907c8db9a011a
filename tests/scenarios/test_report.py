#!/usr/bin/python3
"""A report has every part on either side and in every plight, tells nothing of others, and changes nothing."""

from __future__ import annotations

import json
import re
import unittest
from typing import Any

from scenario import (DONE, ENABLE_VPS, NOT_PERMITTED, PROGRAM, REFUSED, Host, HomeFirewall, Options, Scenario,
                      topology as at)

PARTS = ("program", "host", "profile", "state", "plan", "status", "verify", "neighbours", "interfaces", "policy-rules",
         "routes", "sysctls", "wireguard", "flows", "nftables", "iptables-legacy")
# All that the lab's hosts have of the internet; none of them may be told.
PUBLIC = (at.HOME, at.HOME_ROUTER, at.VPS, at.VPS_ROUTER, at.MX, at.MX_ROUTER, at.HOME6, at.HOME6_ROUTER, at.VPS6,
          at.VPS6_ROUTER, at.MX6, at.MX6_ROUTER)
FILE = "/run/report.txt"
# A rule for each way in which others' words and addresses stand in a firewall.
OTHERS = f"""
table inet others {{
  set blocked {{ type ipv4_addr; elements = {{ {at.MX} }}; }}
  chain strangers {{
    ip saddr {at.MX} counter comment "alice@example.net"
  }}
  chain pre {{
    type filter hook prerouting priority -5;
    ip daddr {at.MX} tcp dport 4321 counter comment "bob's {at.MX}"
    ip saddr @blocked log prefix "carol" counter
    jump strangers
  }}
}}
"""


class Report(Scenario):
    def report(self, host: Host, *arguments: str, expect: int = DONE) -> dict[str, str]:
        """By part, its text; nothing of others is in it, and nothing changes."""
        with self.nothing_changes(host):
            done = self.egress(host, "report", *arguments, expect=expect)
        self.assertEqual(done.stderr, "")
        self.assert_tells_of_nobody(done.stdout)
        head, *parts = re.split(r"^== ([\w-]+): .*\n", done.stdout, flags=re.MULTILINE)
        self.assertIn("Read it through", head)
        told = dict(zip(parts[::2], parts[1::2]))
        self.assertEqual(tuple(told), PARTS)
        return told

    def assert_tells_of_nobody(self, text: str) -> None:
        words = re.findall(r"[0-9A-Fa-f:.]+", text)
        self.assertEqual(set(words) & set(PUBLIC), set())
        self.assertEqual({word.rstrip(".:") for word in words} & set(PUBLIC), set())
        self.assertIsNone(re.search(r"[A-Za-z0-9+/]{43}=", text))
        for end in (self.lab.home_tunnel, self.lab.vps_tunnel):
            self.assertNotIn(end.keys.public[:20], text)
            self.assertNotIn(end.keys.private[:20], text)
        for word in ("alice", "bob", "carol"):
            self.assertNotIn(word, text)

    def test_both_ends_tell_all_and_of_nobody(self) -> None:
        self.egress(self.lab.vps, *ENABLE_VPS, "--set", "mail_name=mail.carol.example", "--set", "mail_domains=bob.example",
                    "--set", "blocklists=bobs-key.example", "--set", "description=alice's mail")
        self.enable_home()
        self.assert_mail_passes()
        self.lab.home.run(["nft", "-f", "-"], input=OTHERS)
        home = self.report(self.lab.home, "mailu-home")
        self.assertIn("as it should be", home["status"])
        self.assertIn("nothing to do", home["plan"])
        self.assertIn(f'iifname "{at.TUNNEL}"', home["nftables"])
        self.assertIn("chain ip filter DOCKER-USER", home["nftables"])
        self.assertIn("chain inet others strangers", home["nftables"])
        self.assertIn("Docker's rules in iptables-nft's tables", home["neighbours"])
        self.assertIn(f"default dev {at.TUNNEL} table 100", home["routes"])
        self.assertRegex(home["flows"], "IPv4: [1-9]")
        vps = self.report(self.lab.vps)
        self.assertIn("mail can take its way", vps["verify"])
        self.assertIn("peer {key-", vps["wireguard"])

    def test_one_address_has_one_word_everywhere(self) -> None:
        self.enable_both()
        home = self.report(self.lab.home, "mailu-home")
        (word,) = set(re.findall(rf"endpoint (\{{\w+-\d+\}}):{at.TUNNEL_PORT}", home["wireguard"]))
        self.assertIn(f"{word}:{at.TUNNEL_PORT}", home["verify"])
        (peer,) = set(re.findall(r"peer (\{key-\d+\})", home["wireguard"]))
        self.assertIn(f"peer {peer}", home["verify"])
        vps = self.report(self.lab.vps)
        (own,) = set(re.findall(r"snat to (\S+)", vps["nftables"]))
        self.assertRegex(own, r"^\{own4-\d+\}$")
        self.assertIn(f"{own}/24", vps["interfaces"])
        self.assertIn(f'"public_ip": "{own}"', vps["state"])
        self.assertIn(f"{own} on {at.UPLINK}", vps["verify"])

    def test_the_document_has_the_same_parts(self) -> None:
        self.enable_both()
        document: dict[str, Any] = self.json_of(self.lab.home, "report")
        self.assertEqual((document["version"], document["instance"], document["side"]), (1, "mailu-home", "home"))
        self.assertEqual(tuple(part["id"] for part in document["sections"]), PARTS)
        text = self.report(self.lab.home)
        for part in document["sections"]:
            self.assertEqual(part["error"], "")
            if part["id"] not in ("sysctls", "verify", "wireguard"):  # they tell ages, or counts that go up
                self.assertEqual("\n".join(part["lines"]), text[part["id"]].strip("\n"))
        self.assert_tells_of_nobody(json.dumps(document))

    def test_nothing_enabled(self) -> None:
        told = self.report(self.lab.home, "mailu-home")
        self.assertIn("changes to make, in this order", told["plan"])
        self.assertIn("error: mailu-home is not enabled", told["status"])
        self.assertIn("peer {key-", told["wireguard"])

    def test_nothing_enabled_and_nobody_named(self) -> None:
        told = self.report(self.lab.home)
        self.assertIn("no instance is enabled or configured", told["verify"])
        self.assertIn(at.TUNNEL, told["interfaces"])
        self.assertIn("DOCKER-FORWARD", told["nftables"])

    def test_a_state_directory_that_is_none(self) -> None:
        self.enable_home()
        told = self.report(self.lab.home, "--state-dir", "/dev/null")
        self.assertIn("ENOTDIR", told["state"])
        self.assertIn("ENOTDIR", told["verify"])
        self.assertIn(at.TUNNEL, told["interfaces"])
        self.assertIn("DOCKER-FORWARD", told["nftables"])

    def test_a_kernel_without_nf_tables(self) -> None:
        """As a socket that is refused: what rtnetlink told before it is there."""
        home, told = self.lab.home, []
        for first in range(2, 6):
            done = home.run(["strace", "-qq", "-o", "/dev/null", "-e", "trace=socket", "-e",
                             f"inject=socket:error=EPROTONOSUPPORT:when={first}+", PROGRAM, "report", "mailu-home"])
            interfaces, _, rest = done.stdout.partition("== interfaces")[2].partition("== policy-rules")
            told.append(at.TUNNEL in interfaces and "EPROTONOSUPPORT" in rest.partition("== nftables")[2])
        self.assertIn(True, told)

    def test_a_name_that_nobody_has(self) -> None:
        done = self.egress(self.lab.home, "report", "mailu-hom", expect=REFUSED)
        self.assert_said(done, "mailu-hom", "mailu-home")

    def test_a_damaged_state_file_and_a_lost_one(self) -> None:
        self.enable_home()
        state = self.lab.home.path("/run/smtp-egress/mailu-home.json")
        state.write_text(state.read_text()[:300] + f"\x1b[2J {at.VPS}")
        told = self.report(self.lab.home)
        self.assertIn("is damaged", told["state"])
        self.assertIn("\\x1b[2J {", told["state"])
        self.assertIn("NOT as it should be", told["status"])
        state.unlink()
        told = self.report(self.lab.home)
        self.assertIn("ENOENT", told["state"])
        self.assertIn("its state file is gone", told["status"])

    def test_a_tunnel_that_is_missing(self) -> None:
        self.enable_home()
        self.lab.home_tunnel.delete()
        told = self.report(self.lab.home)
        self.assertIn(f"{at.TUNNEL}: no WireGuard interface", told["wireguard"])
        self.assertIn("FAILED", told["verify"])
        self.assertIn("waiting", told["status"])

    def test_a_profile_that_is_wrong(self) -> None:
        """Before it was ever enabled, and after."""
        home = self.lab.home
        profile = {"side": "home", "sources": [at.CONTAINER_NET], "description": "alice", "probe": ["mx.example.org"]}
        for mark in (0, "0x19", 0):
            home.path("/run/mine.json").write_text(json.dumps({**profile, "mark": mark}))
            if mark:
                self.egress(home, "enable", "/run/mine.json", "--tunnel", at.TUNNEL)
                continue
            told = self.report(home, "/run/mine.json")
            self.assertIn("mistake:", told["profile"])
            self.assertIn('["{server-1}"]', told["profile"])
            self.assertNotIn("mx.example.org", "".join(told.values()))
        self.assertIn("nothing to do", told["plan"])


class ReportFile(Scenario):
    """Where it goes: a file that is whole, and the maker's alone."""

    options = Options(home_firewall=HomeFirewall.NONE)

    def setUp(self) -> None:
        super().setUp()
        self.enable_home()
        self.file = self.lab.home.path(FILE)

    def write(self, *arguments: str, expect: int = DONE) -> str:
        done = self.egress(self.lab.home, "report", "mailu-home", *arguments, expect=expect)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_new_file_is_the_makers_alone(self) -> None:
        self.assertIn("Read it through", self.write("--output", FILE))
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o600)
        self.assertTrue(self.file.read_text().startswith("smtp-egress report of mailu-home\n"))
        self.assertEqual(self.write("--quiet", "-o", FILE, "--force"), "")

    def test_standard_output_by_its_name(self) -> None:
        done = self.egress(self.lab.home, "report", "-o", "-")
        self.assertIn("== verify", done.stdout)

    def test_a_file_that_is_there_stays_unless_forced(self) -> None:
        self.file.write_text("mine")
        self.assertIn("is there already; --force replaces it", self.write("-o", FILE, expect=REFUSED))
        self.assertEqual(self.file.read_text(), "mine")
        self.write("-o", FILE, "--force")
        self.assertIn("== verify", self.file.read_text())
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o600)

    def test_what_is_no_file_is_never_replaced(self) -> None:
        home = self.lab.home
        self.file.write_text("mine")
        home.run(["ln", "-s", FILE, "/run/link"])
        home.run(["mkfifo", "/run/fifo"])
        for path in ("/run/link", "/run/fifo", "/dev/full", "/run"):
            self.assertIn("no regular file", self.write("-o", path, "--force", expect=REFUSED))
        self.assertEqual(self.file.read_text(), "mine")
        home.run(["test", "-c", "/dev/full", "-a", "-p", "/run/fifo", "-a", "-L", "/run/link"])

    def test_a_place_where_it_cannot_stand(self) -> None:
        home = self.lab.home
        home.run(["mkdir", "/run/read-only", "/run/small"])
        home.run(["mount", "-t", "tmpfs", "-o", "ro", "none", "/run/read-only"])
        home.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", "/run/small"])
        for folder, code, word in (("/run/nowhere", REFUSED, "ENOENT"), ("/run/small", REFUSED, "ENOSPC"),
                                   ("/run/read-only", NOT_PERMITTED, "EROFS")):
            said = self.write("-o", f"{folder}/report.txt", expect=code)
            self.assertIn(word, said)
            self.assertIn("`smtp-egress report > FILE`", said)
        self.assertEqual(home.output(["ls", "-A", "/run/small"]), "")

    def test_a_file_system_that_lacks_a_way_to_name_a_file(self) -> None:
        """Links, as FAT does, or a rename that spares what is there, as NFS does."""
        for lacking in ("link:error=EPERM", "renameat2:error=EINVAL"):
            self.file.unlink(missing_ok=True)
            write = ("strace", "-qq", "-o", "/dev/null", "-e", "trace=link,renameat2", "-e", f"inject={lacking}",
                     PROGRAM, "report", "mailu-home", "--quiet", "--output", FILE)
            self.lab.home.run(write)
            self.assertIn("== iptables-legacy", self.file.read_text())
            self.file.write_text("mine")
            done = self.lab.home.run(write, check=False)
            self.assertEqual(done.returncode, REFUSED)
            self.assertIn("is there already", done.stderr)
            self.assertEqual(self.file.read_text(), "mine")
            self.assertEqual(list(self.file.parent.glob(f".{self.file.name}.*")), [])

    def test_a_full_standard_output(self) -> None:
        done = self.lab.home.run(["sh", "-c", f"{PROGRAM} report mailu-home > /dev/full"], check=False)
        self.assertEqual(done.returncode, REFUSED)
        self.assertIn("ENOSPC", done.stderr)

    def test_killed_at_any_call_that_writes_it_is_whole_or_not_there(self) -> None:
        home, killed = self.lab.home, 0
        for call in ("write", "fchmod", "fsync", "renameat2", "unlink"):
            for number in range(1, 50):
                self.file.unlink(missing_ok=True)
                done = home.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                                 "-e", f"inject={call}:signal=SIGKILL:when={number}", PROGRAM, "report", "mailu-home",
                                 "--quiet", "--output", FILE], check=False)
                if done.returncode == DONE:
                    break
                killed += 1
                self.assertIn(done.returncode, (-9, 137), done.stderr)
                if self.file.exists():
                    self.assertIn("== iptables-legacy", self.file.read_text())
        self.assertGreaterEqual(killed, 5, "strace does not do what this is built on")


if __name__ == "__main__":
    unittest.main()
