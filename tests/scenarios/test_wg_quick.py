#!/usr/bin/python3
"""The real wg-quick, with the shipped sample configurations, switches egress with the tunnel."""

from __future__ import annotations

import os
import unittest

from scenario import PROGRAM, ROOT, Completed, Host, Options, Scenario, topology
from lab.sandbox import SYSTEM_PATH
from lab.tunnel import KeyPair, make_keys

SAMPLES = ROOT / "packaging/wireguard"
CONFIG = f"/run/{topology.TUNNEL}.conf"


class WgQuick(Scenario):
    options = Options(tunnel=False)

    def setUp(self) -> None:
        super().setUp()
        home, vps = make_keys(self.lab.home), make_keys(self.lab.vps)
        self.write(self.lab.home, "home-wg0.conf.example", home, vps)
        self.write(self.lab.vps, "vps-wg0.conf.example", vps, home)

    def write(self, host: Host, sample: str, own: KeyPair, peer: KeyPair) -> None:
        """The sample as it is shipped; only the keys are filled in."""
        text = (SAMPLES / sample).read_text()
        for placeholder, value in (("OWN_PRIVATE_KEY", own.private), ("PEER_PUBLIC_KEY", peer.public)):
            self.assertIn(placeholder, text)
            text = text.replace(placeholder, value)
        path = host.path(CONFIG)
        path.touch(mode=0o600)
        path.write_text(text)

    def wg_quick(self, host: Host, verb: str) -> Completed:
        path = f"{PROGRAM.parent}{os.pathsep}{SYSTEM_PATH}"
        return host.run(["wg-quick", verb, CONFIG], env={"PATH": path}, bound=30)

    def up(self) -> None:
        self.wg_quick(self.lab.vps, "up")
        self.wg_quick(self.lab.home, "up")
        self.lab.wait_for_tunnel()

    def test_up_is_all_it_takes(self) -> None:
        self.up()
        with self.no_leak():
            self.assert_mail_passes(10_000_000)
        self.egress(self.lab.home, "verify", "mailu-home")
        self.egress(self.lab.vps, "verify", "mailu-vps")

    def test_down_leaves_nothing(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.up()
            self.assert_mail_passes()
            self.wg_quick(self.lab.home, "down")
            self.wg_quick(self.lab.vps, "down")
        self.assertFalse(self.try_mail().delivered)

    def test_three_times_up_and_down(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            for _ in range(3):
                self.up()
                self.wg_quick(self.lab.home, "down")
                self.wg_quick(self.lab.vps, "down")

    def test_the_hosts_other_traffic_keeps_its_path(self) -> None:
        self.up()
        self.assertEqual(self.lab.home.seen_as(topology.MX, 443), topology.HOME)
        self.assertEqual(self.lab.container.seen_as(topology.MX, 443), topology.HOME)


class Samples(unittest.TestCase):
    def test_they_hold_no_key(self) -> None:
        for sample in SAMPLES.glob("*.example"):
            for line in sample.read_text().splitlines():
                if line.startswith(("PrivateKey", "PublicKey", "PresharedKey")):
                    self.assertTrue(line.endswith("_KEY"), f"{sample.name}: {line}")


if __name__ == "__main__":
    unittest.main()
