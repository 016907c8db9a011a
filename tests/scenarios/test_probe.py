#!/usr/bin/python3
"""verify --probe: real SMTP conversations, as the mail stack holds them. In the healthy states it finds nothing wrong."""

from __future__ import annotations

import json
import signal
import unittest
from collections.abc import Callable
from typing import Any, TypeVar

from scenario import (DONE, ENABLE_HOME, ENABLE_VPS, NOT_AS_IT_SHOULD_BE, PROGRAM, REFUSED, Completed, HomeFirewall, Host,
                      Options, Scenario, topology as at)

from host_process import HostProcess
from lab.firewall import load_docker_nftables
from lab.waiting import read_until

Result = TypeVar("Result")
RULE_PRIORITY = 10025  # of both policy rules of ours
NOT_INTO_CONTAINERS = ("setpriv", "--bounding-set", "-sys_ptrace,-sys_admin", "--inh-caps", "-sys_ptrace,-sys_admin")


class Probing(Scenario):
    home_profile, vps_profile = "mailu-home", "mailu-vps"
    servers: tuple[str, ...] = (at.MX,)

    def probe(self, host: Host, *options: str, expect: int | None = DONE, before: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Its checks, the probe's alone."""
        name = self.home_profile if host is self.lab.home else self.vps_profile
        done = self.egress(host, "--json", "verify", name, "--probe", *self.servers, *options, expect=expect, before=before)
        checks = json.loads(done.stdout)["checks"]
        return [check for check in checks if check["id"].startswith("probe")]

    def outcomes(self, checks: list[dict[str, Any]]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for check in checks:
            found.setdefault(check["id"], set()).add(check["outcome"])
        return found

    def assert_content(self, host: Host, **how: Any) -> list[dict[str, Any]]:
        """All went well, and the server saw the public address."""
        with self.no_leak(), self.nothing_changes(host):
            checks = self.probe(host, **how)
        for wanted in ("probe", "probe-mtu", "probe-seen-as"):
            self.assertEqual(self.outcomes(checks).get(wanted), {"passed"}, f"{wanted}: {json.dumps(checks, indent=1)}")
        return checks

    def join_another_network(self) -> None:
        """The container joins one that no source names, and has its way out by that."""
        home, container = self.lab.home, self.lab.container
        container.ip_batch(f"link add other0 type veth peer name veth-other netns {home.inner_pid}\n")
        home.ip_batch("link add br9 type bridge\naddress add 172.30.0.1/24 dev br9\nlink set br9 up\n"
                      "link set veth-other master br9\nlink set veth-other up\n")
        container.ip_batch("address add 172.30.0.5/24 dev other0\nlink set other0 up\n"
                           "route replace default via 172.30.0.1\n")

    def assert_both_content(self) -> None:
        self.lab.mx.speak("tell")
        self.assert_content(self.lab.home)
        self.assert_content(self.lab.vps)


class Healthy(Probing):
    def test_the_container_itself_speaks_and_the_vps(self) -> None:
        self.enable_both()
        speaker = self.lab.mx.speak("tell")
        checks = self.assert_content(self.lab.home)
        talk = next(check for check in checks if check["id"] == "probe")
        self.assertIn(f"{at.CONTAINER}, from its network namespace", talk["title"])
        self.assertIn("220 mx.example.org ESMTP", talk["detail"])
        said = read_until(speaker.stdout, b"QUIT", "the polite end")
        self.assertIn("EHLO", said)
        self.assertEqual(said.count("MAIL"), 6)
        self.assert_content(self.lab.vps)

    def test_a_server_that_tells_nothing_is_no_fault(self) -> None:
        """The lab's own: no pipelining, and whom it sees it does not say."""
        self.enable_both()
        checks = self.outcomes(self.probe(self.lab.home))
        self.assertEqual(checks["probe"], {"passed"})
        self.assertEqual((checks["probe-mtu"], checks["probe-seen-as"]), ({"skipped"}, {"skipped"}))

    def test_a_server_older_than_ehlo_is_no_fault(self) -> None:
        self.enable_both()
        speaker = self.lab.mx.speak("old")
        for host in (self.lab.home, self.lab.vps):
            checks = self.probe(host)
            self.assertEqual(self.outcomes(checks)["probe"], {"passed"}, checks)
            [large] = [check for check in checks if check["id"] == "probe-mtu"]
            self.assertEqual((large["outcome"], large["detail"][:17]), ("skipped", "it knows no EHLO,"))
        self.assertIn("HELO", read_until(speaker.stdout, b"QUIT", "the polite end"))

    def test_a_reset_is_no_proof_that_large_segments_arrive(self) -> None:
        self.enable_both()
        self.lab.mx.speak("reset")
        for host in (self.lab.home, self.lab.vps):
            checks = self.outcomes(self.probe(host))
            self.assertEqual((checks["probe"], checks["probe-mtu"]), ({"passed"}, {"skipped"}))

    def test_few_file_descriptors(self) -> None:
        """The search takes as many as it may have; with too few it says so, and not that nobody tells."""
        self.enable_both()
        self.lab.isp.run(["nft", "add table inet fault; add chain inet fault c { type filter hook forward priority -310; }; "
                          f"add rule inet fault c ip daddr {at.MX} drop"])
        for limit, said in (("20:4096", f"as far as {at.VPS_ROUTER}"), ("20:20", "was not looked for: too few")):
            for host in (self.lab.home, self.lab.vps):
                with self.subTest(f"{host.name}: {limit}"), self.no_leak():
                    checks = self.probe(host, "--probe-timeout", "4", expect=NOT_AS_IT_SHOULD_BE,
                                        before=("prlimit", f"--nofile={limit}"))
                    [talk] = [check for check in checks if check["id"] == "probe"]
                    self.assertIn(said, talk["detail"])

    def test_without_a_probe_nobody_is_contacted(self) -> None:
        self.enable_both()
        with self.lab.capture(self.lab.mx, at.UPLINK, "tcp") as capture:
            for host, name in ((self.lab.home, "mailu-home"), (self.lab.vps, "mailu-vps")):
                checks = self.json_of(host, "verify", name)["checks"]
                self.assertEqual([check["id"] for check in checks if check["id"].startswith("probe")], [])
        self.assertEqual(capture.packets, [])

    def test_the_profiles_servers_need_no_option(self) -> None:
        self.enable_vps()
        self.egress(self.lab.home, *ENABLE_HOME, "--set", f"probe={at.MX}")
        checks = self.json_of(self.lab.home, "verify", "mailu-home")["checks"]
        self.assertIn("probe", [check["id"] for check in checks])
        self.servers = ()
        self.assertEqual(self.outcomes(self.probe(self.lab.home))["probe"], {"passed"})

    def test_masqueraded(self) -> None:
        self.egress(self.lab.vps, *ENABLE_VPS, "--subnet", f"{at.HOME_TUNNEL}/32")
        self.egress(self.lab.home, *ENABLE_HOME, "--set", "nat=masquerade")
        self.assert_both_content()

    def test_steered_by_rule(self) -> None:
        self.enable_vps()
        self.egress(self.lab.home, *ENABLE_HOME, "--set", "steering=rule")
        self.assert_both_content()

    def test_as_this_host_where_no_container_can_be_entered(self) -> None:
        self.enable_both()
        self.lab.mx.speak("tell")
        for steering in ("mark", "rule"):
            self.egress(self.lab.home, *ENABLE_HOME, "--set", f"steering={steering}")
            checks = self.assert_content(self.lab.home, before=NOT_INTO_CONTAINERS)
            talk = next(check for check in checks if check["id"] == "probe")
            self.assertIn(f"this host as {at.CONTAINER_GATEWAY}", talk["title"])


    def test_as_this_host_masqueraded(self) -> None:
        self.egress(self.lab.vps, *ENABLE_VPS, "--subnet", f"{at.HOME_TUNNEL}/32")
        self.egress(self.lab.home, *ENABLE_HOME, "--set", "nat=masquerade")
        self.lab.mx.speak("tell")
        self.assert_content(self.lab.home, before=NOT_INTO_CONTAINERS)

    def test_the_further_rights_are_in_effect_for_its_threads_alone(self) -> None:
        self.enable_both()
        trace = "/run/lab/strace"
        self.probe(self.lab.home, before=("strace", "-f", "-o", trace, "-e", "trace=capset,execve,execveat,fork,vfork"))
        calls = [line.split(None, 1) for line in self.lab.home.path(trace).read_text().splitlines()]
        main = calls[0][0]
        of_main = [call for thread, call in calls if thread == main and call.startswith("capset")]
        self.assertEqual(len(of_main), 1)
        self.assertIn("effective=1<<CAP_NET_ADMIN, permitted=1<<CAP_SETUID|1<<CAP_NET_ADMIN|1<<CAP_SYS_PTRACE|"
                      "1<<CAP_SYS_ADMIN, inheritable=0", of_main[0])
        self.assertEqual([call for _, call in calls if call.startswith(("execve", "fork", "vfork"))][1:], [])
        self.assertTrue(any("SYS_ADMIN" in call.split("permitted")[0] for thread, call in calls if thread != main))


class HealthyBesideDockersNftables(Probing):
    options = Options(home_firewall=HomeFirewall.NONE)

    def test_sidestepping(self) -> None:
        load_docker_nftables(self.lab.home)
        self.enable_both()
        self.assert_both_content()


class HealthyDualStack(Probing):
    options = Options(ipv6=True, vps_ip_forward=1)
    servers = (at.MX, at.MX6)

    def test_both_families(self) -> None:
        subnets = ("--subnet", at.CONTAINER_NET, "--subnet", at.CONTAINER6_NET)
        self.egress(self.lab.vps, *ENABLE_VPS, "--public-ip6", at.VPS6, *subnets)
        self.egress(self.lab.home, *ENABLE_HOME, *subnets)
        self.lab.mx.speak("tell")
        for host in (self.lab.home, self.lab.vps):
            with self.no_leak(), self.nothing_changes(host):
                checks = self.probe(host)
            passed = [check["title"] for check in checks if check["id"] == "probe" and check["outcome"] == "passed"]
            self.assertEqual(len(passed), 2, checks)  # each sender, with the server of its family
            seen = {check["detail"] for check in checks if check["id"] == "probe-seen-as" and check["outcome"] == "passed"}
            if host is self.lab.vps:
                self.assertEqual(seen, {at.VPS, at.VPS6})
        with self.no_leak():
            checks = self.probe(self.lab.home, before=NOT_INTO_CONTAINERS)
        talks = [check["title"] for check in checks if check["id"] == "probe" and check["outcome"] == "passed"]
        self.assertEqual([title.split(" as ", 1)[1].split(" (")[0] for title in talks],
                         [f"this host as {at.CONTAINER_GATEWAY}", f"this host as {at.CONTAINER6_GATEWAY}"])


class HealthyHostProcess(HostProcess, Probing):
    home_profile, vps_profile = "mox-home", "mox-vps"

    def test_as_its_user(self) -> None:
        self.enable_mox()
        self.lab.mx.speak("tell")
        checks = self.assert_content(self.lab.home)
        self.assertIn("user 997 as 10.0.1.2", next(check["title"] for check in checks if check["id"] == "probe"))
        self.assert_content(self.lab.vps)


class Leaks(Probing):
    """Proof that nothing leaks: for which not one packet leaves by the home line."""

    def leaks(self, expect: int) -> list[dict[str, Any]]:
        with self.no_leak(), self.nothing_changes(self.lab.home):
            return [check for check in self.probe(self.lab.home, expect=expect) if check["id"] == "probe-leak"]

    def test_each_thing_between_the_mail_and_the_uplink_is_told(self) -> None:
        self.enable_both()
        self.lab.home_tunnel.down()
        self.knock()  # and caught
        self.lab.home_tunnel.up()
        self.enable_home()
        self.lab.wait_for_tunnel()
        [check] = self.leaks(DONE)
        self.assertEqual(check["outcome"], "passed")
        self.assertIn(f"without its mark it takes {at.TUNNEL}; by {at.UPLINK} the guard refuses it", check["detail"])

    def test_a_container_whose_way_out_is_another_network(self) -> None:
        """Its mail would leave by it, from an address of no source: told, and not tried."""
        self.enable_both()
        self.join_another_network()
        [check] = self.leaks(NOT_AS_IT_SHOULD_BE)
        self.assertEqual(check["outcome"], "failed")
        self.assertIn("172.30.0.5", check["title"])
        self.assertIn(f"leaves by {at.UPLINK}", check["detail"])
        self.lab.container.ip_batch(f"route replace default via {at.CONTAINER_GATEWAY}\n")
        self.assertEqual([check["outcome"] for check in self.leaks(DONE)], ["passed"])


class LeaksOverIpv6(Leaks):
    """The container has IPv6 too, and no source names it."""

    options = Options(ipv6=True)
    servers = (at.MX, at.MX6)

    def leaks(self, expect: int) -> list[dict[str, Any]]:
        """IPv4's, behind a look at IPv6's."""
        checks = super().leaks(expect)
        over_ipv6 = [check for check in checks if at.CONTAINER6 in check["title"]]
        self.assertEqual([check["detail"] for check in over_ipv6], ["no source names it, and it is refused"])
        return [check for check in checks if check not in over_ipv6]


class NeverPastTheTunnel(Probing):
    """Where the steering is gone the probe and the knock send nothing: no guard of the mail's stands behind what this
    host itself sends in a container's place."""

    steering_gone = (f"ip rule del pref {RULE_PRIORITY}; ip rule del pref {RULE_PRIORITY}", "ip route flush table 100",
                     f"ip rule add to {at.MX} lookup main pref 9")

    def setUp(self) -> None:
        super().setUp()
        self.enable_both()
        self.lab.mx.speak("tell")

    def without_steering(self, send: Callable[[], Result], judge: Callable[[Result], None]) -> None:
        for command in self.steering_gone:
            with self.subTest(command):
                self.lab.home.run(["ip", "rule", "del", "pref", "9"], check=False)
                self.enable_home()
                self.lab.home.run(["sh", "-c", command])
                with self.no_leak():
                    seen = send()
                judge(seen)

    def knock_at_mx(self, expect: int | None = None) -> Completed:
        return self.egress(self.lab.home, "trace", "mailu-home", "--probe", "--to", at.MX, "--seconds", "3", expect=expect)

    def test_a_probe_as_this_host(self) -> None:
        def judge(checks: list[dict[str, Any]]) -> None:
            [talk] = [check for check in checks if check["id"] == "probe"]
            self.assertEqual(talk["outcome"], "failed")
            self.assertIn(f"nothing was sent: it would leave by {at.UPLINK}", talk["detail"])

        self.without_steering(lambda: self.probe(self.lab.home, expect=None, before=NOT_INTO_CONTAINERS), judge)

    def test_a_probe_as_this_host_whose_steering_goes_meanwhile(self) -> None:
        """The later SYNs, the search for the place, and the VPS's own port."""
        home = self.lab.home
        with self.no_leak():
            with self.lab.capture(home, at.TUNNEL, "tcp[tcpflags] & tcp-syn != 0") as capture:
                probe = home.start([*NOT_INTO_CONTAINERS, PROGRAM, "verify", "mailu-home", "--probe", "192.0.2.99",
                                    "--probe-timeout", "4"])
                while capture.count_so_far() == 0 and probe.running():
                    pass
                home.run(["sh", "-c", self.steering_gone[0]])
                self.assertEqual(probe.wait(), NOT_AS_IT_SHOULD_BE)
        self.assertGreater(len(capture.packets), 16)

    def test_a_knock_as_this_host(self) -> None:
        self.lab.container.ip_batch(f"address flush dev {at.UPLINK}\n")
        self.without_steering(self.knock_at_mx, lambda done: self.assert_said(
            done, f"it would leave by {at.UPLINK}", "nothing was sent"))

    def test_a_container_with_neither_guard_nor_steering(self) -> None:
        home = self.lab.home
        home.run(["nft", "delete table inet smtp-egress-mailu-home"])
        home.run(["sh", "-c", self.steering_gone[0]])
        with self.no_leak():
            checks = self.probe(home, expect=NOT_AS_IT_SHOULD_BE)
            knocked = self.knock_at_mx()
        said = {check["id"]: (check["outcome"], check["detail"]) for check in checks}
        self.assertEqual(said["probe"], ("skipped", "nothing was sent: nothing of ours would keep it off the home line"))
        self.assertEqual(said["probe-leak"][0], "failed")
        self.assert_said(knocked, "nothing of ours would keep it off the home line")
        self.assertEqual(knocked.returncode, REFUSED)

    def test_a_knock_of_a_container_whose_way_out_is_another_network(self) -> None:
        self.join_another_network()
        with self.no_leak():
            done = self.knock_at_mx()
        self.assert_said(done, "172.30.0.5, which no source names", "nothing was sent")
        self.assertEqual(done.returncode, REFUSED)
        self.lab.container.ip_batch(f"route replace default via {at.CONTAINER_GATEWAY}\n")
        self.knock_at_mx(DONE)


class CommandLine(Probing):
    def setUp(self) -> None:
        super().setUp()
        self.enable_both()

    def test_what_cannot_be_probed_is_refused_before_anything_is_sent(self) -> None:
        home = self.lab.home
        with self.lab.capture(home, at.TUNNEL, "tcp dst port 25") as capture:
            self.assert_said(self.egress(home, "verify", "mailu-home", "--probe", expect=REFUSED), "name a mail server")
            self.assert_said(self.egress(home, "verify", "mailu-home", "--probe", "mx:26", expect=REFUSED), "tcp/26")
            self.assert_said(self.egress(home, "verify", "mailu-home", "--probe", "mx mx", expect=REFUSED), "no mail server")
        self.assertEqual(capture.packets, [])

    def test_no_progress_where_nobody_watches(self) -> None:
        done = self.egress(self.lab.home, "verify", "mailu-home", "--probe", at.MX)
        self.assertEqual(done.stderr, "")
        self.assert_said(done, "SMTP with")

    def test_progress_on_a_terminal(self) -> None:
        said = self.lab.home.output(["script", "-qec", f"{PROGRAM} verify mailu-home --probe {at.MX}", "/dev/null"])
        self.assertIn(f"asking {at.MX}:25: 0 of 1", said)
        said = self.lab.home.output(["script", "-qec", f"{PROGRAM} --quiet verify mailu-home --probe {at.MX}", "/dev/null"])
        self.assertNotIn("asking", said)

    def test_killed_it_leaves_nothing(self) -> None:
        """While it waits for a server that says nothing, and while it searches for one that does not answer."""
        self.lab.mx.speak("silent")
        for server in (at.MX, "192.0.2.99"):
            with self.nothing_changes(self.lab.home), self.no_leak():
                with self.lab.capture(self.lab.home, at.TUNNEL, "tcp[tcpflags] & tcp-syn != 0") as capture:
                    probe = self.lab.home.start([PROGRAM, "verify", "mailu-home", "--probe", server])
                    while capture.count_so_far() == 0 and probe.running():
                        pass
                    probe.stop(signal.SIGKILL)
                self.assertNotEqual(capture.packets, [])
                for host in (self.lab.home, self.lab.container):
                    sockets = host.output(["ss", "-Htan", "dport", "=", "25"])
                    self.assertEqual(sockets, "", f"{host.name} after talking to {server}")


if __name__ == "__main__":
    unittest.main()
