#!/usr/bin/python3
"""From a fresh host to a delivered mail: `init` and `enable` at each end, as the README has it, for every shape of home;
the two ends held against each other.
"""

from __future__ import annotations

import json
import re
import unittest

from fresh_host import MAILU, Fresh, container, docker_of, network, stack_in_docker
from host_process import AS_MOX, HostProcess
from scenario import (DONE, NOT_AS_IT_SHOULD_BE, PROGRAM, REFUSED, ROOT, HomeFirewall, Options, topology as at)

from lab import Stack, VpsAddress

DOCKERS_BRIDGE = "br-8d03fe51b7c6"


class MailuFirst(Fresh):
    """Both orders of the ends, and the way a person goes at the README's hand."""

    def test_the_readmes_commands_as_they_stand(self) -> None:
        before = self.snapshots()
        block = (ROOT / "README.md").read_text().split("Three commands at home", 1)[1].split("```")[1]
        commands = re.findall(r"^(home|vps)\$ +sudo (.*?)(?: +#.*)?$", block, re.MULTILINE)
        self.assertEqual([host for host, _ in commands], ["home", "home", "vps", "vps", "home"])
        with self.docker(MAILU):
            for name, words in commands:
                host = self.lab.home if name == "home" else self.lab.vps
                shell = words.replace("smtp-egress", str(PROGRAM), 1)
                done = host.run(["bash", "-c", f"cd {self.etc} && {shell}"], check=False, env=self.environment(host))
                self.assertEqual(done.returncode, DONE, f"{words}: {done.stdout}{done.stderr}")
            self.assert_mail_and_exact_undo("mailu-home", "mailu-vps", before)

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.assert_said(done, "found tunnel: wg0", at.CONTAINER_NET, at.VPS, "sudo smtp-egress enable mail-vps")
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(MAILU):
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.assert_said(done, "docker network mailu_default", "container mailu-smtp-1", "Table = off",
                             f"AllowedIPs = {at.HOME_TUNNEL}/32, {at.CONTAINER_NET}", "enable mailu-home")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mail-vps", before)
        profile = json.loads((self.config(self.lab.home) / "mailu-home.json").read_text())
        self.assertEqual(profile["sources"], [{"docker_network": "mailu_default"}])

    def test_home_first_and_its_descriptor_to_the_vps(self) -> None:
        before = self.snapshots()
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            done = self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            self.assert_said(done, "mailu-home's descriptor", "enable mailu-vps")
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            # Each end against the other's.
            there = self.smtp_egress(self.lab.vps, "pair").stdout
            self.assert_said(self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there), "the two ends fit")
            self.assert_said(self.smtp_egress(self.lab.vps, "pair", "--with", "-", input=descriptor), "the two ends fit")
            self.assertNotIn("skipped", self.smtp_egress(self.lab.vps, "pair", "--with", "-", input=descriptor).stdout)
            self.assert_mail_and_exact_undo("mailu-home", "mailu-vps", before)


class MailcowOnBothFamilies(Fresh):
    options = Options(Stack("br-mailcow", "172.22.1.0/24", "172.22.1.1", "172.22.1.253",
                            network6="fd4d:6169:6c63:6f77::/64", gateway6="fd4d:6169:6c63:6f77::1",
                            address6="fd4d:6169:6c63:6f77::25"), ipv6=True)
    servers = (at.MX, at.MX6)

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        name = "mailcowdockerized_mailcow-network"
        postfix = container("mailcowdockerized-postfix-mailcow-1", "ghcr.io/mailcow/postfix:1.80", name,
                            project="mailcowdockerized", service="postfix-mailcow")
        with self.docker(docker_of([network(name, "172.22.1.0/24", "fd4d:6169:6c63:6f77::/64")], [postfix])):
            done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.assert_said(done, f"docker network {name}", "AllowedIPs = 0.0.0.0/0, ::/0")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            there = self.smtp_egress(self.lab.vps, "pair").stdout
            done = self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there)
            self.assert_said(done, "the two ends fit", at.VPS, at.VPS6)
            self.assert_mail_and_exact_undo("mailcow-home", "mailcow-vps", before)


class DockerMailserver(Fresh):
    options = Options(Stack(DOCKERS_BRIDGE, "172.16.42.0/24", "172.16.42.1", "172.16.42.3"))

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(stack_in_docker("mail", "mailserver", "ghcr.io/docker-mailserver/docker-mailserver:14",
                                         "172.16.42.0/24")):
            self.assert_said(self.smtp_egress(self.lab.home, "init", "home", "--yes"), "docker network mail_default")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("docker-mailserver-home", "mail-vps", before)


class IncusVm(Fresh):
    options = Options(Stack("incusbr0", "10.10.10.0/24", "10.10.10.1", "10.10.10.214", sender_alone=True),
                      home_firewall=HomeFirewall.NONE)

    def test_the_vm_by_its_address(self) -> None:
        before = self.snapshots()
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        self.smtp_egress(self.lab.vps, "enable")
        self.smtp_egress(self.lab.home, "init", "home", "--yes", "--subnet", "10.10.10.214/32")
        self.smtp_egress(self.lab.home, "enable")
        self.assert_mail_and_exact_undo("mail-home", "mail-vps", before)

    def test_its_bridge_where_nothing_is_said(self) -> None:
        """All of the bridge is the source then, and the VPS, which lets but the VM in, is told apart by `pair`."""
        done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
        self.assert_said(done, "interface incusbr0, 10.10.10.0/24", "all machines on incusbr0", "Docker does not run here")
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes")
        there = self.smtp_egress(self.lab.vps, "pair").stdout
        done = self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there, expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, "2 checks failed", "home sends from 10.10.10.0/24, the VPS takes 10.10.10.214/32",
                         "AllowedIPs = 10.0.1.2/32, 10.10.10.214/32, 10.10.10.0/24")
        document = json.loads(self.smtp_egress(self.lab.home, "--json", "pair", "--with", "-", input=there,
                                               expect=NOT_AS_IT_SHOULD_BE).stdout)
        self.assertEqual([check["id"] for check in document["checks"] if check["outcome"] == "failed"],
                         ["sources", "vps-allowed-ips"])


class MoxOnTheHost(HostProcess, Fresh):
    """No Docker; the host has a user mox, and his mail leaves as the tunnel's address."""

    options = Options(home_firewall=HomeFirewall.NONE)

    def test_two_commands_a_side(self) -> None:
        before = self.snapshots()
        done = self.smtp_egress(self.lab.home, "init", "home", "--yes")
        self.assert_said(done, f"user mox of this host, as {at.HOME_TUNNEL}", "enable mox-home")
        descriptor = self.smtp_egress(self.lab.home, "pair").stdout
        self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
        profile = json.loads((self.config(self.lab.vps) / "mox-vps.json").read_text())
        self.assertEqual(profile["sources"], [f"{at.HOME_TUNNEL}/32"])
        self.smtp_egress(self.lab.vps, "enable")
        self.smtp_egress(self.lab.home, "enable")
        there = self.smtp_egress(self.lab.vps, "pair").stdout
        self.assert_said(self.smtp_egress(self.lab.home, "pair", "--with", "-", input=there), "the two ends fit")
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            self.assertEqual(self.seen_as(at.MX, 443, AS_MOX), at.HOME)
        self.assertEqual(inside.packets, [])
        self.assert_mail_and_exact_undo("mox-home", "mox-vps", before)


class MappedAddress(Fresh):
    options = Options(vps_address=VpsAddress.MAPPED)

    def test_the_public_address_has_to_be_named(self) -> None:
        before = self.snapshots()
        done = self.smtp_egress(self.lab.vps, "init", "vps", "--yes", expect=REFUSED)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assert_said(done, "eth0 has no public IPv4 address", "--public-ip ADDR")
        self.assertEqual(self.written(self.lab.vps), [])
        self.smtp_egress(self.lab.vps, "init", "vps", "--yes", "--public-ip", at.VPS)
        self.smtp_egress(self.lab.vps, "enable")
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mail-vps", before)


class Masquerade(Fresh):
    """The VPS has to know the tunnel's address alone, and home's descriptor tells it."""

    def test_from_homes_descriptor(self) -> None:
        before = self.snapshots()
        with self.docker(MAILU):
            self.smtp_egress(self.lab.home, "init", "home", "--yes", "--set", "nat=masquerade")
            descriptor = self.smtp_egress(self.lab.home, "pair").stdout
            self.smtp_egress(self.lab.vps, "init", "vps", "--from-home", "-", "--yes", input=descriptor)
            profile = json.loads((self.config(self.lab.vps) / "mailu-vps.json").read_text())
            self.assertEqual(profile["sources"], [f"{at.HOME_TUNNEL}/32"])
            self.smtp_egress(self.lab.vps, "enable")
            self.smtp_egress(self.lab.home, "enable")
            self.assert_mail_and_exact_undo("mailu-home", "mailu-vps", before)


if __name__ == "__main__":
    unittest.main()
