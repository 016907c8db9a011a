#!/usr/bin/python3
"""Without the right to change the network: exit 4, a clear word, nothing touched."""

from __future__ import annotations

import os
import shutil
import unittest

from scenario import ENABLE_HOME, NOT_PERMITTED, Detail, Scenario, topology

# The project may stand where only root can look.
PROFILES = "/run/profiles"
READABLE = ("env", f"SMTP_EGRESS_PROFILE_DIR={PROFILES}")
NOBODY = (*READABLE, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs")
ROOT_WITHOUT_DAC = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps",
                    "-dac_override,-dac_read_search")
ROOT_WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")


class Privileges(Scenario):
    def setUp(self) -> None:
        super().setUp()
        shutil.copytree(os.environ["SMTP_EGRESS_PROFILE_DIR"], self.lab.home.path(PROFILES))

    def check(self, before: tuple[str, ...], *arguments: str) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            done = self.egress(self.lab.home, *arguments, before=before, expect=NOT_PERMITTED)
        self.assertEqual(done.stdout.strip(), "")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, f"one line, please: {done.stderr}")

    def test_enable_as_nobody(self) -> None:
        self.check(NOBODY, *ENABLE_HOME)

    def test_profiles_that_nobody_may_read(self) -> None:
        self.lab.home.path(PROFILES).chmod(0o700)
        done = self.egress(self.lab.home, *ENABLE_HOME, before=NOBODY, expect=NOT_PERMITTED)
        self.assert_said(done, f"read profiles in {PROFILES}: Permission denied", "run as root")

    def test_check_as_nobody(self) -> None:
        """Of files alone, so it needs no right, and not even a state directory that it may look into."""
        self.enable_home()
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            done = self.egress(self.lab.home, "check", "mailu-home", before=NOBODY)
        self.assertEqual((done.stdout, done.stderr), (f"{PROFILES}/mailu-home.json: as it should be\n", ""))

    def test_disable_as_nobody(self) -> None:
        self.enable_home()
        self.check(NOBODY, "disable", "mailu-home")

    def test_enable_as_root_without_net_admin(self) -> None:
        self.check(ROOT_WITHOUT_NET_ADMIN, *ENABLE_HOME)

    def test_disable_as_root_without_net_admin(self) -> None:
        self.enable_home()
        self.check(ROOT_WITHOUT_NET_ADMIN, "disable", "mailu-home")

    def test_profiles_as_nobody(self) -> None:
        """Files alone, again; which of them are enabled it cannot know, and says so."""
        self.enable_home()
        done = self.egress(self.lab.home, "profiles", before=NOBODY)
        self.assertIn("mailu-home", done.stdout)
        self.assertIn("which of them are enabled is not known", done.stderr)
        listed = self.json_of(self.lab.home, "profiles")["profiles"]
        self.assertEqual({item["enabled"] for item in listed}, {True, False})

    def test_files_where_only_their_owner_may_look(self) -> None:
        """As a home directory is on Debian: sudo may name a file there."""
        home = self.lab.home
        home.run(["install", "-d", "-o", "1000", "-m", "700", "/run/alice"])
        sudo = ("env", "SUDO_UID=1000")

        def put(name: str, text: str) -> str:
            home.path(f"/run/alice/{name}").write_text(text)
            home.run(["chown", "1000:1000", f"/run/alice/{name}"])
            home.run(["chmod", "600", f"/run/alice/{name}"])
            return f"/run/alice/{name}"

        mine = put("mine.json", home.path(f"{PROFILES}/mailu-home.json").read_text())
        self.egress(home, "check", mine, before=sudo)
        self.egress(home, "enable", mine, "--tunnel", topology.TUNNEL, before=sudo)
        self.egress(home, "report", "mine", "--output", "/run/alice/report.txt", before=sudo)
        self.assertIn("smtp-egress", home.path("/run/alice/report.txt").read_text())
        told = put("home.json", self.egress(home, "pair", "mine", before=sudo).stdout)
        self.egress(home, "disable", "mine", before=sudo)
        self.lab.vps.path("/run/alice").mkdir()
        self.lab.vps.path("/run/alice/home.json").write_text(home.path(told).read_text())
        self.lab.vps.run(["chown", "-R", "1000", "/run/alice"])
        self.lab.vps.run(["chmod", "700", "/run/alice"])
        self.egress(self.lab.vps, "init", "vps", "--from-home", told, "--print", before=sudo)
        for arguments in (("enable", mine), ("init", "vps", "--from-home", told, "--print")):
            done = self.egress(home, *arguments, before=(*sudo, *ROOT_WITHOUT_DAC), expect=NOT_PERMITTED)
            self.assert_said(done, "Permission denied")

    def test_report(self) -> None:
        """Not half of one: what it is for cannot be looked at."""
        self.enable_home()
        for before in (NOBODY, ROOT_WITHOUT_NET_ADMIN):
            for arguments in (("report", "mailu-home"), ("report", "mailu-home", "--output", "/tmp/report.txt")):
                self.check(before, *arguments)
        self.assertFalse(self.lab.home.path("/tmp/report.txt").exists())

    def test_a_read_only_state_directory(self) -> None:
        self.lab.home.run(["mkdir", "/run/read-only"])
        self.lab.home.run(["mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", "/run/read-only"])
        for directory in ("/run/read-only", "/run/read-only/state"):
            with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
                done = self.egress(self.lab.home, "--state-dir", directory, *ENABLE_HOME, expect=NOT_PERMITTED)
            self.assert_said(done, directory, "the file system is read-only", "--state-dir")

    def test_net_admin_is_all_it_takes(self) -> None:
        """A user with CAP_NET_ADMIN, a state directory of his own, and nothing else."""
        home = self.lab.home
        home.run(["install", "-d", "-o", "65534", "-m", "700", "/run/own-state"])
        fresh = self.lab.snapshot(home)
        self.enable_vps()
        run = (*READABLE, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "+net_admin",
               "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin", "--no-new-privs")
        own = ("--state-dir", "/run/own-state")
        self.egress(home, *own, *ENABLE_HOME, before=run)
        self.assert_mail_passes()
        self.egress(home, *own, "status", before=run)
        self.assert_said(self.egress(home, *own, *ENABLE_HOME, before=run), "nothing changed")
        self.egress(home, *own, "disable", before=run)
        self.assert_same(fresh, self.lab.snapshot(home))

    def test_it_keeps_no_other_and_runs_nothing(self) -> None:
        trace = "/run/lab/strace"
        for command in (ENABLE_HOME, ("status",), ("verify",), ("plan", "mailu-home"), ("disable",), ("profiles",),
                        ("check", "mailu-home")):
            with self.subTest(command[0]):
                self.egress(self.lab.home, *command, expect=None, before=(
                    "strace", "-f", "-o", trace, "-e", "trace=capset,execve,execveat,%process,open,openat,sendmsg,sendto"))
                calls = self.lab.home.path(trace).read_text().splitlines()
                names = [call.split(None, 1)[1].partition("(")[0] for call in calls]
                self.assertEqual(names.count("execve"), 1, "its own start")
                self.assertFalse({"fork", "vfork", "clone", "clone3", "execveat"} & set(names))
                given_up = names.index("capset")
                self.assertIn("effective=1<<CAP_NET_ADMIN, permitted=1<<CAP_NET_ADMIN, inheritable=0", calls[given_up])
                self.assertEqual(names.count("capset"), 1)
                self.assertFalse({"sendmsg", "sendto"} & set(names[:given_up]), "asked the kernel before")

    def test_nothing_is_left_in_the_state_directory(self) -> None:
        self.egress(self.lab.home, *ENABLE_HOME, before=ROOT_WITHOUT_NET_ADMIN, expect=NOT_PERMITTED)
        left = self.lab.home.run(["find", "/run/smtp-egress", "-type", "f"], check=False).stdout
        self.assertNotIn("mailu-home", left)


if __name__ == "__main__":
    unittest.main()
