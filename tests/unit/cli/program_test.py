#!/usr/bin/python3
"""The built program in an empty network namespace of its own: exit codes, messages, documents.

    SMTP_EGRESS               the program
    SMTP_EGRESS_PROFILE_DIR   the shipped profiles
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path
from typing import Any

PROGRAM = os.environ["SMTP_EGRESS"]
DONE, NOT_AS_IT_SHOULD_BE, USAGE, NOT_ENABLED = 0, 1, 2, 3


def checksummed(rest: str) -> str:
    """A state file that is whole, of all but its first two lines."""
    return f'{{\n  "checksum": "{zlib.crc32(rest.encode()):08x}",\n{rest}'


class Program(unittest.TestCase):
    def setUp(self) -> None:
        if os.geteuid() != 0:
            self.fail("needs root: each test makes a network namespace")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.state = os.path.join(directory.name, "state")
        self.config = os.path.join(directory.name, "etc")
        os.mkdir(self.config)
        # The namespace lives as long as this process; every command of the test joins it.
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.addCleanup(self.release)
        self.assertEqual(self.holder.stdout.readline(), b"ready\n")

    def release(self) -> None:
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()

    def run_program(self, *words: str, expect: int, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SMTP_EGRESS_STATE_DIR": self.state, "SMTP_EGRESS_CONFIG_DIR": self.config}
        done = subprocess.run(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", PROGRAM, *words], text=True,
                              stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False, timeout=30)
        self.assertEqual(done.returncode, expect, f"{words}: {done.stdout}{done.stderr}")
        return done

    def document(self, *words: str, expect: int) -> Any:
        done = self.run_program("--json", *words, expect=expect)
        document = json.loads(done.stdout)
        self.assertEqual((document["version"], document["command"], document["ok"], document["exit"]),
                         (1, words[0], expect == DONE, expect))
        return document

    def test_a_whole_life_without_a_tunnel(self) -> None:
        self.assertTrue(self.document("plan", "mailu-home", expect=DONE)["changes"])
        self.assertEqual(self.document("status", "mailu-home", expect=NOT_ENABLED)["error"]["kind"], "not-enabled")
        self.document("verify", "mailu-home", expect=NOT_ENABLED)
        self.assertTrue(self.document("enable", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)["waiting"])
        self.assertFalse(self.document("enable", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)["changed"])
        self.document("status", expect=NOT_AS_IT_SHOULD_BE)  # the only one that is enabled
        self.document("verify", expect=NOT_AS_IT_SHOULD_BE)
        listed = {p["name"]: p for p in self.document("profiles", expect=DONE)["profiles"]}
        self.assertTrue(listed["mailu-home"]["enabled"])
        self.assertFalse(listed["mailu-vps"]["enabled"])
        self.assertTrue(self.document("disable", expect=DONE)["changed"])
        self.assertFalse(self.document("disable", "mailu-home", expect=DONE)["changed"])
        self.assertEqual(os.listdir(self.state), ["lock"])

    def test_profiles_tells_what_is_wrong_and_knows_only_what_it_read(self) -> None:
        for name, text in (("typo", '{"side": "home", "sources": ["10.9.0.1/24"]}'),
                           ("marked", '{"side": "vps", "sources": ["10.9.0.0/24"], "mark": 0}')):
            Path(self.config, f"{name}.json").write_text(text, encoding="utf-8")
        listed = {p["name"]: p for p in self.document("profiles", expect=DONE)["profiles"]}
        self.assertEqual(listed["home"]["problem"], "needs --subnet CIDR")
        self.assertIn("10.9.0.1/24", listed["typo"]["problem"])
        self.assertIn("key 'mark'", listed["marked"]["problem"])
        self.assertEqual([listed[name]["side"] for name in ("home", "typo", "marked")], ["home", "home", None])

    def test_a_report_of_what_an_earlier_boot_enabled(self) -> None:
        profile = Path(self.config).with_name("mine.json")
        profile.write_text('{"side": "home", "sources": ["10.9.0.0/24"]}', encoding="utf-8")
        self.run_program("enable", str(profile), expect=NOT_AS_IT_SHOULD_BE)
        state = Path(self.state, "mine.json")
        record = state.read_text(encoding="utf-8")
        self.run_program("disable", "mine", expect=DONE)
        profile.unlink()
        _, _, rest = record.split("\n", 2)
        boot = json.loads(record)["boot"]
        state.write_text(checksummed(rest.replace(boot, "00000000-0000-4000-8000-000000000000")), encoding="utf-8")
        self.assertIn("of an earlier boot: not believed", self.run_program("report", expect=DONE).stdout)
        self.run_program("report", "nobody", expect=USAGE)

    def test_a_vps_without_a_default_route_is_refused(self) -> None:
        error = self.document("enable", "mailu-vps", expect=USAGE)["error"]
        self.assertIn("give --wan IF", error["message"])

    def test_unknown_profile(self) -> None:
        done = self.run_program("enable", "mailu-hom", expect=USAGE)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1)
        shipped = sorted(path.stem for path in Path(os.environ["SMTP_EGRESS_PROFILE_DIR"]).glob("*.json"))
        self.assertIn(f"there are: {', '.join(shipped)}", done.stderr)
        for command in ("disable", "status", "verify"):
            self.run_program(command, "mailu-hom", expect=USAGE)

    def test_a_generic_profile_needs_a_subnet(self) -> None:
        self.assertIn("--subnet", self.run_program("plan", "home", expect=USAGE).stderr)
        self.run_program("plan", "home", "--subnet", "10.9.0.0/24", expect=DONE)

    def test_check_tells_all_mistakes_of_all_files(self) -> None:
        self.run_program("check", expect=USAGE)  # nothing is configured
        good, bad = (os.path.join(self.config, name) for name in ("good.json", "bad.json"))
        for path, profile in ((good, {"side": "vps", "sources": ["10.9.0.0/24"]}),
                              (bad, {"side": "home", "sources": ["mailu", "10.9.0.1/24"], "mark": 0})):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(profile, file)
        self.assertEqual(self.run_program("check", "good", expect=DONE).stdout, f"{good}: as it should be\n")
        done = self.run_program("check", expect=USAGE)
        self.assertEqual(done.stderr, "")
        self.assertEqual([line.split(": ")[0:3] for line in done.stdout.splitlines()],
                         [[bad, "key 'mark'", "'0'"], [bad, "key 'sources'", "'mailu'"],
                          [bad, "key 'sources'", "'10.9.0.1/24'"], [good, "as it should be"]])
        self.assertEqual(self.run_program("-q", "check", expect=USAGE).stdout.splitlines(),
                         done.stdout.splitlines()[:-1])
        first = self.run_program("plan", bad, expect=USAGE).stderr
        self.assertEqual(first, f"smtp-egress: read profile {done.stdout.splitlines()[0]}\n", "enable's own words")
        document = self.document("check", "good", "mailu-hom", expect=USAGE)
        self.assertEqual([(file["path"], file["ok"], len(file["errors"])) for file in document["files"]],
                         [(good, True, 0), ("mailu-hom", False, 1)])

    def test_disable_where_nothing_is_enabled(self) -> None:
        self.assertIn("Nothing is enabled", self.run_program("disable", expect=DONE).stdout)
        document = self.document("disable", expect=DONE)
        self.assertEqual((document["changed"], document["was_enabled"], document["changes"]), (False, False, []))
        self.assertIn("nothing is enabled", document["notes"][0])
        self.assertNotIn("instance", document)
        self.run_program("enable", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
        os.remove(os.path.join(self.state, "mailu-home.json"))
        lost = self.run_program("disable", expect=USAGE).stderr
        self.assertIn("name it: mailu-home", lost, "the kernel still holds what enable made")
        self.run_program("disable", "mailu-home", expect=DONE)
        self.run_program("disable", expect=DONE)

    def test_a_state_directory_that_is_no_good(self) -> None:
        parent = os.path.dirname(self.state)
        os.mkdir(self.state)
        os.chmod(self.state, 0o777)
        self.assertIn("others may write to it", self.run_program("enable", "mailu-home", expect=USAGE).stderr)
        self.assertEqual(os.listdir(self.state), [])
        missing = os.path.join(parent, "no", "such")
        done = self.run_program("--state-dir", missing, "enable", "mailu-home", expect=USAGE)
        self.assertIn(f"create state directory {missing}: No such file or directory", done.stderr)
        self.run_program("disable", "mailu-home", expect=USAGE)
        self.run_program("status", expect=NOT_ENABLED)  # writes nothing, so may look

    def test_no_instance_named(self) -> None:
        self.run_program("enable", expect=USAGE)
        self.run_program("status", expect=NOT_ENABLED)

    def test_quiet_says_nothing_and_messages_never_go_to_stdout(self) -> None:
        self.assertEqual(self.run_program("-q", "disable", "mailu-home", expect=DONE).stdout, "")
        self.assertEqual(self.run_program("-q", "status", "mailu-home", expect=NOT_ENABLED).stdout, "")

    def test_a_full_standard_output_is_told(self) -> None:
        for command, code in (("profiles", USAGE), ("check mailu-home", USAGE), ("disable", DONE)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.run_program(*command.split(), expect=code, stdout=full)
            self.assertIn("write to standard output: No space left on device (ENOSPC)", done.stderr)

    def test_init_whose_report_is_lost_has_written_its_profile(self) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "ip", "link", "add", "tunnel", "type", "veth"],
                       check=True)
        words = ("init", "home", "mine", "--yes", "--tunnel", "tunnel", "--subnet", "10.9.0.0/24")
        for last, code, said in (("--print", USAGE, "ENOSPC"), ("--force", DONE, "the profile itself was written")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.run_program(*words, last, expect=code, stdout=full)
            self.assertIn(said, done.stderr)
            self.assertEqual(os.listdir(self.config), [] if code == USAGE else ["mine.json"])

    def test_a_damaged_state_file(self) -> None:
        os.mkdir(self.state)
        with open(os.path.join(self.state, "mailu-home.json"), "w", encoding="utf-8") as file:
            file.write("{")
        self.assertIn("mailu-home.json: is damaged",
                      self.run_program("status", "mailu-home", expect=NOT_AS_IT_SHOULD_BE).stdout)
        self.run_program("plan", "mailu-home", expect=DONE)
        self.assertIn("mailu-home.json.damaged-1", self.run_program("disable", "mailu-home", expect=DONE).stdout)
        self.run_program("status", "mailu-home", expect=NOT_ENABLED)

    def test_a_state_file_of_another_version(self) -> None:
        self.run_program("disable", "mailu-home", expect=DONE)  # makes the directory
        rest = '  "version": 3\n}\n'
        with open(os.path.join(self.state, "mailu-home.json"), "w", encoding="utf-8") as file:
            file.write(checksummed(rest))
        for command in ("enable", "disable", "status", "verify", "plan"):
            done = self.run_program(command, "mailu-home", expect=USAGE)
            self.assertIn("mailu-home.json: is of version 3", done.stderr)


if __name__ == "__main__":
    unittest.main()
