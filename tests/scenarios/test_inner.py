#!/usr/bin/python3
"""Over a tunnel that lets nothing but its two ends' own addresses through, as Tailscale does: the inner tunnel."""

from __future__ import annotations

import json
import unittest
from typing import Any

from host_process import HostProcess
from injection import Injection
from lab import poll
from scenario import KERNEL_REFUSED, NOT_AS_IT_SHOULD_BE, REFUSED, Host, MailResult, Options, Scenario, topology as at

INNER, PORT = "mail0", 25025
HOME_NAME, VPS_NAME = "mailu-home", "mailu-vps"
HOME_INNER = {"remote": at.VPS_TUNNEL, "link": at.TUNNEL}
VPS_INNER = {"remote": at.HOME_TUNNEL, "link": at.TUNNEL}
HOME6_INNER = {"remote": at.VPS6_TUNNEL, "link": at.TUNNEL}
VPS6_INNER = {"remote": at.HOME6_TUNNEL, "link": at.TUNNEL}
WRAPPED = f"udp port {PORT}"  # the inner tunnel's packets outside of the link


def with_inner(name: str, inner: dict[str, Any], *further: str) -> tuple[str, ...]:
    return ("enable", name, "--tunnel", INNER, "--set", f"inner={json.dumps(inner)}", *further)


ENABLE_HOME = with_inner(HOME_NAME, HOME_INNER)
ENABLE_VPS = with_inner(VPS_NAME, VPS_INNER, "--public-ip", at.VPS)


class Inner(Scenario):
    options = Options(narrow_tunnel=True)
    home, vps = ENABLE_HOME, ENABLE_VPS

    def enable_ends(self) -> None:
        self.egress(self.lab.vps, *self.vps)
        self.egress(self.lab.home, *self.home)

    def disable_ends(self) -> None:
        self.egress(self.lab.home, "disable", HOME_NAME)
        self.egress(self.lab.vps, "disable", VPS_NAME)

    def assert_well(self) -> None:
        for host, name in ((self.lab.home, HOME_NAME), (self.lab.vps, VPS_NAME)):
            self.egress(host, "status", name)
            self.egress(host, "verify", name)

    def presence(self, host: Host, name: str) -> str:
        """What status says of the inner tunnel's interface."""
        objects = self.json_of(host, "status", name, expect=None)["objects"]
        return next(found["state"] for found in objects if found["kind"] == "interface")


class Vxlan(Inner):
    def test_mail_passes_and_nothing_stays_behind(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_ends()
            with self.no_leak(), self.lab.capture(self.lab.isp, at.ISP_TO_HOME, WRAPPED) as bare:
                self.assert_mail_passes(10_000_000)
            self.assertEqual(bare.packets, [], "the wrapped mail belongs into the link alone")
            self.assert_well()
            self.disable_ends()

    def test_without_it_verify_tells_what_is_wrong(self) -> None:
        self.egress(self.lab.vps, "enable", VPS_NAME, "--public-ip", at.VPS)
        self.egress(self.lab.home, "enable", HOME_NAME)
        self.assertFalse(self.try_mail().delivered)
        for host, name in ((self.lab.home, HOME_NAME), (self.lab.vps, VPS_NAME)):
            done = self.egress(host, "verify", name, expect=NOT_AS_IT_SHOULD_BE)
            self.assert_said(done, "no peer of wg0 covers", "key `inner`")

    def test_enabling_twice_changes_nothing(self) -> None:
        self.enable_ends()
        with self.nothing_changes(self.lab.home, self.lab.vps):
            for host, enable in ((self.lab.home, self.home), (self.lab.vps, self.vps)):
                self.assertEqual(self.json_of(host, *enable)["changes"], [])

    def test_nothing_else_takes_it(self) -> None:
        self.enable_ends()
        with self.lab.capture(self.lab.home, INNER, "tcp") as inside:
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
        self.assertEqual(inside.packets, [])

    def test_drift_is_told_and_mended(self) -> None:
        self.enable_ends()
        drifts = {"missing": ["ip", "link", "del", INNER],
                  "changed": ["ip", "link", "set", INNER, "mtu", "1000"]}
        more = (["ip", "link", "set", INNER, "down"], ["ip", "neighbour", "flush", "dev", INNER, "nud", "permanent"],
                ["ip", "link", "set", INNER, "type", "vxlan", "remote", "10.0.1.9", "dev", at.TUNNEL])
        for state, drift in (*drifts.items(), *(("changed", words) for words in more)):
            for host, name, enable in ((self.lab.home, HOME_NAME, self.home), (self.lab.vps, VPS_NAME, self.vps)):
                with self.subTest(" ".join(drift), host=host.name), self.no_leak():
                    before = self.lab.snapshot(host)
                    host.run(drift)
                    self.assertEqual(self.presence(host, name), state)
                    self.egress(host, "status", name, expect=NOT_AS_IT_SHOULD_BE)
                    self.egress(host, *enable)
                    self.assert_same(before, self.lab.snapshot(host))
                    self.assert_mail_passes()

    def test_what_the_far_end_alone_may_send_is_not_taken_from_others(self) -> None:
        """A VXLAN unwraps what anybody sends it. By the uplink, even in the far end's name, it is dropped before."""
        self.enable_ends()
        forge = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                 f"s.sendto(bytes([8, 0, 0, 0, 0, 0, 25, 0]) + bytes(60), ('{at.HOME}', {PORT}))")
        before = self.guarded(self.lab.home)
        self.lab.mx.run(["/usr/bin/python3", "-c", forge])
        self.assertEqual(self.guarded(self.lab.home) - before, 1)

    def guarded(self, host: Host) -> int:
        objects = self.json_of(host, "status", HOME_NAME)["objects"]
        return sum(rule["packets"] for found in objects for rule in found["rules"] if rule["role"] == "outer guard")



class OfTheHostItself(HostProcess):
    """A mail server that is a process of the home host: its address is the inner tunnel's."""

    options = Options(narrow_tunnel=True)

    def test_its_mail_passes_and_nothing_stays_behind(self) -> None:
        address = "10.0.9.2"
        home = with_inner("mox-home", {**HOME_INNER, "address": address}, "--set", 'sources=[{"user": "mox"}]')
        vps = with_inner("mox-vps", VPS_INNER, "--subnet", f"{address}/32", "--public-ip", at.VPS)
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.egress(self.lab.vps, *vps)
            self.egress(self.lab.home, *home)
            with self.no_leak(), self.lab.capture(self.lab.isp, at.ISP_TO_HOME, WRAPPED) as bare:
                self.assert_mail_passes(1_000_000)
                for host in (self.lab.home, self.lab.vps):
                    self.egress(host, "status")
                    self.egress(host, "verify")
                with self.knocking():
                    self.lab.home_tunnel.down()
                    self.assertFalse(self.try_mail().delivered)
            self.assertEqual(bare.packets, [], "the wrapped mail belongs into the link alone")
            self.lab.home_tunnel.up()
            self.egress(self.lab.home, *home)
            self.disable_mox()

class FailClosed(Inner):
    def assert_nothing_gets_out(self) -> None:
        """Neither the mail, nor the mail in its wrapping."""
        with self.no_leak(), self.lab.capture(self.lab.isp, at.ISP_TO_HOME, WRAPPED) as bare, self.knocking():
            result: MailResult = self.try_mail()
        self.assertFalse(result.delivered)
        self.assertEqual(bare.packets, [], "wrapped, but for anybody to read")

    def test_the_link_down(self) -> None:
        self.enable_ends()
        self.lab.home_tunnel.down()
        self.assert_nothing_gets_out()
        self.assertEqual(self.presence(self.lab.home, HOME_NAME), "waiting")

    def test_the_link_down_and_all_firewalls_flushed(self) -> None:
        """No guard is left: the interface is bound to its link, and has no other way."""
        self.enable_ends()
        self.lab.home_tunnel.down()
        self.lab.home.run(["nft", "flush", "ruleset"])
        self.assert_nothing_gets_out()

    def test_the_link_deleted(self) -> None:
        self.enable_ends()
        self.lab.home_tunnel.delete()
        self.assert_nothing_gets_out()
        self.assertEqual(self.presence(self.lab.home, HOME_NAME), "waiting")
        self.lab.home_tunnel.create()
        self.assert_nothing_gets_out()
        self.egress(self.lab.home, *self.home)
        self.lab.wait_for_tunnel()
        self.assert_mail_passes()

    def test_the_way_to_the_far_end_led_elsewhere(self) -> None:
        """With the interface made anew by somebody who did not bind it to the link, the guard alone is left."""
        self.enable_ends()
        home = self.lab.home
        home.run(["ip", "route", "del", f"{at.VPS_TUNNEL}/32"])
        home.run(["ip", "link", "del", INNER])
        home.ip_batch(f"""
            link add {INNER} type vxlan id 25 local {at.HOME_TUNNEL} remote {at.VPS_TUNNEL} dstport {PORT} nolearning
            link set {INNER} up
            route add default dev {INNER} table 100
            neighbour add {at.MX} lladdr 02:73:6d:74:70:01 dev {INNER} nud permanent
        """)
        with self.no_leak(), self.lab.capture(self.lab.isp, at.ISP_TO_HOME, WRAPPED) as wrapped:
            self.knock()
        self.assertEqual(wrapped.packets, [])
        home.run(["nft", "flush", "chain", "inet", f"smtp-egress-{HOME_NAME}", "outer-output"])
        with self.lab.capture(self.lab.isp, at.ISP_TO_HOME, WRAPPED) as wrapped:
            self.knock()
            poll(wrapped.count_so_far, "the mail to get out without the guard, else this proves nothing")

    def test_enable_before_the_link_is_there(self) -> None:
        self.lab.home_tunnel.delete()
        self.egress(self.lab.vps, *self.vps)
        done = self.egress(self.lab.home, *self.home, expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, "its link wg0 does not exist")
        self.assert_nothing_gets_out()
        self.lab.home_tunnel.create()
        self.egress(self.lab.home, *self.home)
        self.lab.wait_for_tunnel()
        self.assert_mail_passes()


class Refused(Inner):
    def test_an_interface_of_somebody_else(self) -> None:
        for host, enable in ((self.lab.home, self.home), (self.lab.vps, self.vps)):
            host.ip_batch(f"link add {INNER} type bridge\n")
            with self.nothing_changes(host):
                done = self.egress(host, *enable, expect=REFUSED)
            self.assert_said(done, INNER, "is not ours (it is a bridge)", "nothing was changed")

    def test_a_route_of_somebody_else_to_the_same_network(self) -> None:
        self.lab.vps.run(["ip", "route", "add", at.CONTAINER_NET, "dev", at.TUNNEL])
        with self.nothing_changes(self.lab.vps):
            done = self.egress(self.lab.vps, *self.vps, expect=REFUSED)
        self.assert_said(done, at.CONTAINER_NET, "remove it. nothing was changed")

    def test_a_kind_that_the_kernel_has_not_and_one_that_it_has(self) -> None:
        """IPIP is a module that not every kernel has. Refused, what stood stands again."""
        home = with_inner(HOME_NAME, {**HOME_INNER, "kind": "ipip"})
        has_it = self.lab.mx.run(["ip", "link", "add", "probe", "type", "ipip", "remote", "10.9.9.9"],
                                 check=False).returncode == 0
        self.enable_ends()
        if has_it:
            self.egress(self.lab.vps, *with_inner(VPS_NAME, {**VPS_INNER, "kind": "ipip"}, "--public-ip", at.VPS))
            self.egress(self.lab.home, *home)
        else:
            with self.nothing_changes(self.lab.vps):
                done = self.egress(self.lab.home, *home, expect=KERNEL_REFUSED)
            self.assert_said(done, "modprobe ipip", "everything was rolled back")
        self.assert_well()
        with self.no_leak():
            self.assert_mail_passes()

    def test_over_the_uplink(self) -> None:
        enable = with_inner(HOME_NAME, {"remote": at.VPS, "link": at.UPLINK})
        with self.nothing_changes(self.lab.home):
            self.assert_said(self.egress(self.lab.home, *enable, expect=REFUSED), "is over the uplink")


class Firewalled(Inner):
    def test_verify_names_the_rule_that_drops_the_wrapped_mail(self) -> None:
        self.enable_ends()
        self.lab.vps.run(["nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }; "
                          "add rule inet fw in ct state established,related accept; "
                          "add rule inet fw in udp dport 51820 accept; add rule inet fw in iif lo accept"])
        self.assertFalse(self.try_mail().delivered)
        done = self.egress(self.lab.vps, "verify", VPS_NAME, expect=NOT_AS_IT_SHOULD_BE)
        self.assert_said(done, "inet fw in: policy drop", f"ufw allow in on wg0 from {at.HOME_TUNNEL} to any port {PORT}")
        self.lab.vps.run(["nft", "add", "rule", "inet", "fw", "in", "iifname", "wg0", "ip", "saddr", at.HOME_TUNNEL, "udp",
                          "dport", str(PORT), "accept"])
        self.egress(self.lab.vps, "verify", VPS_NAME)
        self.assert_mail_passes()

    def test_a_firewall_at_home_that_lets_replies_in_is_enough(self) -> None:
        self.enable_ends()
        self.lab.home.run(["nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }; "
                           "add rule inet fw in ct state established,related accept"])
        self.assert_mail_passes(100_000)
        self.egress(self.lab.home, "verify", HOME_NAME)


class OverIpv6(Inner):
    """The link's ends have IPv6 addresses, and the mail goes by IPv4 and by IPv6."""

    options = Options(narrow_tunnel=True, ipv6=True)
    servers = (at.MX, at.MX6)
    home = with_inner(HOME_NAME, HOME6_INNER, "--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
    vps = with_inner(VPS_NAME, VPS6_INNER, "--public-ip", at.VPS, "--subnet", at.CONTAINER_NET, "--subnet",
                     at.CONTAINER6_NET)

    def test_mail_of_both_families_passes(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_ends()
            with self.no_leak(), self.lab.capture(self.lab.isp, at.ISP_TO_HOME, f"ip6 and {WRAPPED}") as bare:
                self.assert_mail_passes(10_000_000)
                result = self.lab.container.send_mail(10_000_000, server=at.MX6)
                self.assertTrue(result.delivered, result.transcript[-1500:])
                self.assertEqual(result.seen_from, at.VPS6)
                self.assert_well()
                self.lab.home_tunnel.down()
                self.knock()
            self.assertEqual(bare.packets, [])
            self.lab.home_tunnel.up()
            self.egress(self.lab.home, *self.home)
            self.disable_ends()


class Ipv6OverIpv4(OverIpv6):
    home = with_inner(HOME_NAME, HOME_INNER, "--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
    vps = with_inner(VPS_NAME, VPS_INNER, "--public-ip", at.VPS, "--subnet", at.CONTAINER_NET, "--subnet",
                     at.CONTAINER6_NET)

    def test_a_link_too_narrow_for_ipv6(self) -> None:
        self.lab.home.run(["ip", "link", "set", at.TUNNEL, "mtu", "1280"])
        with self.nothing_changes(self.lab.home):
            self.assert_said(self.egress(self.lab.home, *self.home, expect=REFUSED), "no room for IPv6", "ipip")


class Masqueraded(Inner):
    """From an address of the inner tunnel's own, which the VPS then has for a source."""

    ADDRESS = "10.0.9.2"
    home = with_inner(HOME_NAME, {**HOME_INNER, "address": ADDRESS}, "--set", "nat=masquerade")
    vps = with_inner(VPS_NAME, VPS_INNER, "--public-ip", at.VPS, "--subnet", f"{ADDRESS}/32")

    def test_mail_passes_and_nothing_stays_behind(self) -> None:
        with self.nothing_changes(self.lab.home, self.lab.vps):
            self.enable_ends()
            with self.no_leak():
                self.assert_mail_passes(10_000_000)
            self.assert_well()
            self.disable_ends()


class Crash(Injection):
    """SIGKILL at any system call that writes: disable still leaves nothing, a second enable still completes."""

    options = Options(narrow_tunnel=True)

    def check(self, host: Host, name: str, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)

        def recover(number: int) -> None:
            if number % 2:
                self.egress(host, *enable)
                self.egress(host, "status", name)
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: None, host, enable, recover)

        def disabled(_: int) -> None:
            self.egress(host, "disable", name, expect=None)
            self.assert_same(fresh, self.lab.snapshot(host))

        self.every_kill(lambda: self.egress(host, *enable), host, ("disable", name), disabled)

    def test_at_home(self) -> None:
        self.check(self.lab.home, HOME_NAME, ENABLE_HOME)

    def test_on_the_vps(self) -> None:
        self.check(self.lab.vps, VPS_NAME, ENABLE_VPS)

    def test_refused_at_each_call(self) -> None:
        """The kernel, or the disk, refuses: all is rolled back."""
        host = self.lab.home
        fresh = self.lab.snapshot(host)
        for number in range(1, 100):
            done, failed = self.failing_at(host, "sendto", "ENOBUFS", number, *ENABLE_HOME)
            if not failed:
                break
            with self.subTest(refused=number):
                if done.returncode == 0:  # what failed was asked once more
                    self.egress(host, "disable", HOME_NAME)
                self.assert_same(fresh, self.lab.snapshot(host))
        self.assertGreater(number, 10)


class LostState(Inner):
    def test_the_interface_is_found_by_its_alias(self) -> None:
        with self.nothing_changes(self.lab.vps):
            self.egress(self.lab.vps, *self.vps)
            self.lab.vps.path(f"/run/smtp-egress/{VPS_NAME}.json").unlink()
            self.egress(self.lab.vps, "disable", VPS_NAME)
            self.lab.vps.set_sysctls({"net/ipv4/ip_forward": 0})  # what it was is lost with the state


if __name__ == "__main__":
    unittest.main()
