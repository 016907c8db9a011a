#!/usr/bin/python3
"""Without the right to change the network: exit 4, a clear word, nothing touched."""

from __future__ import annotations

import unittest

from scenario import ENABLE_HOME, NOT_PERMITTED, Detail, Scenario

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs")
ROOT_WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")


class Privileges(Scenario):
    def check(self, before: tuple[str, ...], *arguments: str) -> None:
        with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
            done = self.egress(self.lab.home, *arguments, before=before, expect=NOT_PERMITTED)
        self.assertEqual(done.stdout.strip(), "")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, f"one line, please: {done.stderr}")

    def test_enable_as_nobody(self) -> None:
        self.check(NOBODY, *ENABLE_HOME)

    def test_disable_as_nobody(self) -> None:
        self.enable_home()
        self.check(NOBODY, "disable", "mailu-home")

    def test_enable_as_root_without_net_admin(self) -> None:
        self.check(ROOT_WITHOUT_NET_ADMIN, *ENABLE_HOME)

    def test_disable_as_root_without_net_admin(self) -> None:
        self.enable_home()
        self.check(ROOT_WITHOUT_NET_ADMIN, "disable", "mailu-home")

    def test_a_read_only_state_directory(self) -> None:
        self.lab.home.run(["mkdir", "/run/read-only"])
        self.lab.home.run(["mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", "/run/read-only"])
        for directory in ("/run/read-only", "/run/read-only/state"):
            with self.nothing_changes(self.lab.home, detail=Detail.HANDLES):
                done = self.egress(self.lab.home, "--state-dir", directory, *ENABLE_HOME, expect=NOT_PERMITTED)
            self.assert_said(done, directory, "the file system is read-only", "--state-dir")

    def test_nothing_is_left_in_the_state_directory(self) -> None:
        self.egress(self.lab.home, *ENABLE_HOME, before=ROOT_WITHOUT_NET_ADMIN, expect=NOT_PERMITTED)
        left = self.lab.home.run(["find", "/run/smtp-egress", "-type", "f"], check=False).stdout
        self.assertNotIn("mailu-home", left)


if __name__ == "__main__":
    unittest.main()
