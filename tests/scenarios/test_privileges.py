#!/usr/bin/python3
"""Without the right to change the network: exit 4, a clear word, nothing touched."""

from __future__ import annotations

import os
import shutil
import unittest

from scenario import ENABLE_HOME, NOT_PERMITTED, Detail, Scenario

# The project may stand where only root can look.
PROFILES = "/run/profiles"
READABLE = ("env", f"SMTP_EGRESS_PROFILE_DIR={PROFILES}")
NOBODY = (*READABLE, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs")
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
