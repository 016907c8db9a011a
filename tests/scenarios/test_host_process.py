#!/usr/bin/python3
"""Mail of a process of the home host itself, by its user: from the VPS's address, never past the tunnel, and nothing
else of that host is touched.
"""

from __future__ import annotations

import unittest

from host_process import AS_MOX, HostProcess
from scenario import Options, topology as at

TABLE, PRIORITY = "100", "10025"


class ByUser(HostProcess):
    def test_his_mail_leaves_by_the_vps_at_the_first_try_and_nothing_stays_behind(self) -> None:
        before = self.lab.isp_leak_count()
        self.assertFalse(self.try_mail().delivered)
        self.assertGreater(self.lab.isp_leak_count(), before, "the ISP's block should have been met")
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_mox()
            with self.no_leak(), self.knocking():
                self.assert_mail_passes()
                self.assert_mail_passes(3_000_000)
                for command in ("verify", "status"):
                    self.egress(self.lab.vps, command)
                    self.egress(self.lab.home, command)
            with self.nothing_changes(self.lab.home, self.lab.vps):
                self.enable_mox()
            self.disable_mox()


if __name__ == "__main__":
    unittest.main()
