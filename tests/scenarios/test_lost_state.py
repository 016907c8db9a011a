#!/usr/bin/python3
"""The state file is damaged, lost or of an earlier boot: what carries our name, tag or number goes all the same, nothing
else does, and what is no longer known is said."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from scenario import DONE, ENABLE_HOME, NOT_AS_IT_SHOULD_BE, NOT_ENABLED, REFUSED, Host, Scenario, topology

UNUSUAL = (*ENABLE_HOME, "--set", "table=200", "--set", "mark=0x1a", "--set", "priority=10026")
SECOND = ("enable", "/run/second.json", "--tunnel", topology.TUNNEL)
SECOND_PROFILE = """{"side": "home", "sources": ["10.9.0.0/24"], "mark": "0x1b", "table": 300, "priority": 10027}"""
BOOT_ID = "/proc/sys/kernel/random/boot_id"
STATE = "/run/smtp-egress/mailu-home.json"


class LostState(Scenario):
    def state(self, name: str = "mailu-home") -> Path:
        return self.lab.home.path(f"/run/smtp-egress/{name}.json")

    def objects(self, host: Host) -> str:
        """The snapshot but for the sysctls: what they were is lost with the state."""
        return self.lab.snapshot(host).partition("== sysctl")[0]

    def test_a_damaged_file(self) -> None:
        home = self.lab.home
        fresh = self.objects(home)
        for title, damage in (("cut off", lambda text: text[:len(text) // 2]), ("empty", lambda _: ""),
                              ("one digit", lambda text: text.replace('"1"', '"0"', 1)),
                              ("no JSON", lambda _: "\x00" * 300), ("a FIFO", None),
                              ("too large", lambda text: text + " " * (2 << 20))):
            with self.subTest(title):
                self.egress(home, *UNUSUAL)
                if damage:
                    text = damage(self.state().read_text())
                    self.state().write_text(text)
                else:
                    self.state().unlink()
                    os.mkfifo(self.state())
                said = self.egress(home, "status", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
                self.assert_said(said, STATE, "is damaged", "smtp-egress disable mailu-home")
                self.assert_said(self.egress(home, "disable", "mailu-home"), "was damaged, and is now", STATE)
                self.assert_same(fresh, self.objects(home))
                self.egress(home, "status", "mailu-home", expect=NOT_ENABLED)
        kept = sorted(path.name for path in self.state().parent.glob("*.damaged-*"))
        self.assertEqual(kept, [f"mailu-home.json.damaged-{number}" for number in range(1, 7)])
        self.assertEqual(self.state().with_name(kept[-1]).read_text(), text)

    def test_enable_mends_a_damaged_one_and_mail_goes_on(self) -> None:
        self.enable_both()
        self.state().write_text("{")
        said = self.egress(self.lab.home, *ENABLE_HOME)
        self.assert_said(said, "was damaged, and is now", "net.ipv4.ip_forward=1")
        self.assert_mail_passes()
        self.egress(self.lab.home, "status")
        self.assert_said(self.egress(self.lab.home, *ENABLE_HOME), "nothing changed")

    def test_a_lost_file_and_no_name_given(self) -> None:
        self.enable_home()
        self.state().unlink()
        self.assert_said(self.egress(self.lab.home, "status"), "mailu-home (home): as it should be", "is gone")
        self.egress(self.lab.home, "disable", "mailu-home")
        self.egress(self.lab.home, "status", expect=NOT_ENABLED)

    def test_two_lost_files(self) -> None:
        home = self.lab.home
        home.path("/run/second.json").write_text(SECOND_PROFILE)
        fresh = self.objects(home)
        self.egress(home, *UNUSUAL)
        first = self.objects(home)
        self.egress(home, *SECOND)
        self.state().unlink()
        self.state("second").unlink()
        for command in ("disable", "status", "verify"):
            self.assert_said(self.egress(home, command, expect=REFUSED), "name", "mailu-home, second")
        self.egress(home, "disable", "second")
        self.assert_same(first, self.objects(home))
        self.egress(home, "disable", "mailu-home")
        self.assert_same(fresh, self.objects(home))

    def test_a_disable_of_what_was_never_enabled(self) -> None:
        """Of a profile with the same table, mark and priority as one that is."""
        self.enable_home()
        self.lab.home.path("/run/same.json").write_text('{"side": "home", "sources": ["10.9.0.0/24"]}')
        with self.nothing_changes(self.lab.home):
            self.assert_said(self.egress(self.lab.home, "disable", "/run/same.json"), "is not enabled")

    def test_another_instances_file_is_damaged(self) -> None:
        home = self.lab.home
        home.path("/run/second.json").write_text(SECOND_PROFILE)
        self.egress(home, *SECOND)
        self.state("second").write_text("{")
        with self.nothing_changes(home):
            said = self.egress(home, *ENABLE_HOME, expect=REFUSED)
        self.assert_said(said, "instance second", "damaged state file", "`smtp-egress disable second` first")
        self.egress(home, "disable", "second")
        self.egress(home, *ENABLE_HOME)

    def test_after_a_reboot(self) -> None:
        home = self.lab.home
        self.egress(home, *UNUSUAL)
        text = self.state().read_text()
        self.egress(home, "disable", "mailu-home")
        home.run(["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"])
        fresh = self.lab.snapshot(home)
        self.state().write_text(text)  # a state directory that outlives the kernel's state
        self.egress(home, "status", "mailu-home", expect=NOT_AS_IT_SHOULD_BE)
        home.path("/run/next-boot").write_text("00000000-0000-4000-8000-000000000000\n")
        home.run(["mount", "--bind", "/run/next-boot", BOOT_ID])
        self.egress(home, "status", "mailu-home", expect=NOT_ENABLED)
        self.egress(home, "enable", "mailu-home", "--tunnel", topology.TUNNEL)
        self.assert_said(self.egress(home, "status"), "lookup 100")
        self.egress(home, "disable", "mailu-home")
        self.assert_same(fresh, self.lab.snapshot(home))
        self.state().write_text(text)
        self.assertEqual(self.egress(home, "disable", "mailu-home").returncode, DONE)
        self.assert_same(fresh, self.lab.snapshot(home))

    def test_forwarding_that_somebody_needs_by_now(self) -> None:
        """As Podman leaves it: a masquerade of its own, made while ip_forward was on already."""
        vps = self.lab.vps
        before = self.lab.snapshot(vps)
        self.enable_vps()
        vps.run(["nft", "add table inet netavark; add chain inet netavark post "
                 "{ type nat hook postrouting priority 100; }; "
                 "add rule inet netavark post ip saddr 10.88.0.0/16 masquerade"])
        said = self.egress(vps, "disable", "mailu-vps")
        self.assert_said(said, "net.ipv4.ip_forward stays 1", "inet netavark post: ip saddr 10.88.0.0/16 masquerade")
        vps.run(["nft", "delete table inet netavark"])
        vps.run(["sysctl", "-qw", "net.ipv4.ip_forward=0"])
        self.assert_same(before, self.lab.snapshot(vps))

    def test_marks_of_others(self) -> None:
        home = self.lab.home
        home.run(["nft", "add table ip other; add chain ip other pre { type filter hook prerouting priority -150; }; "
                  "add rule ip other pre tcp dport 443 meta mark set 0x19"])
        with self.nothing_changes(home):
            said = self.egress(home, *ENABLE_HOME, expect=REFUSED)
        self.assert_said(said, "ip other pre: tcp dport 443 meta mark set 0x19", "--set mark=")
        self.egress(home, *ENABLE_HOME, "--set", "mark=0x1a")


if __name__ == "__main__":
    unittest.main()
