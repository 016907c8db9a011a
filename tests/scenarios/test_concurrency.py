#!/usr/bin/python3
"""Many commands at once, and another program that never stops changing the same host."""

from __future__ import annotations

import fcntl
import json
import random
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scenario import DONE, NOT_AS_IT_SHOULD_BE, NOT_ENABLED, PROGRAM, Completed, Host, Process, Scenario, topology
from lab.errors import LabError  # found by way of scenario

COMMANDS = 200
AT_ONCE = 8
ROUNDS = 500
# Beside mailu-home, which has the containers' network: two more stacks, each with all of its own.
OTHERS = {
    "second": {"side": "home", "tunnel": topology.TUNNEL, "sources": ["10.7.0.0/16"], "mark": "0x21", "table": 201,
               "priority": 10201},
    "third": {"side": "home", "tunnel": topology.TUNNEL, "sources": ["10.8.0.0/16"], "mark": "0x42", "table": 202,
              "priority": 10202, "rp_filter": "tunnel"},
}

# Adds and removes a table, a rule in a chain of Docker's, a policy rule and a route. Ends at once, with 1, when
# something of its own is not there any more. Told to stop by the end of its input; then takes back what it made.
_WRITER = """
set -u
fail() { echo "gone: $1"; exit 1; }
rounds=0
while read -r -t 0.001 _; [ $? -gt 128 ]; do
    nft add table inet writer && nft add chain inet writer c '{ type filter hook forward priority 7; }' || fail "cannot add"
    iptables -w 5 -I DOCKER-USER -s 192.0.2.77 -j DROP || fail "cannot add to DOCKER-USER"
    ip rule add from 192.0.2.77 lookup 177 pref 9177 || fail "cannot add a policy rule"
    ip route add 192.0.2.0/24 dev lo table 177 || fail "cannot add a route"
    nft delete table inet writer || fail "table"
    iptables -w 5 -D DOCKER-USER -s 192.0.2.77 -j DROP || fail "rule in DOCKER-USER"
    ip rule del from 192.0.2.77 lookup 177 pref 9177 || fail "policy rule"
    ip route del 192.0.2.0/24 dev lo table 177 || fail "route"
    rounds=$((rounds + 1))
done
echo "$rounds rounds"
"""


class Concurrency(Scenario):
    def profile_of(self, name: str) -> str:
        """What to call an instance by on the home host."""
        if name == "mailu-home":
            return name
        path = f"/run/{name}.json"
        self.lab.home.path(path).write_text(json.dumps(OTHERS[name]))
        return path

    def test_three_instances_enabled_disabled_and_asked_at_random(self) -> None:
        home = self.lab.home
        fresh = self.lab.snapshot(home)
        called = {name: self.profile_of(name) for name in ("mailu-home", *OTHERS)}
        for name in called:
            self.egress(home, "enable", called[name])
        all_enabled = self.lab.snapshot(home)

        chance = random.Random(20261121)
        # mailu-home stays enabled, so that what leaks meanwhile leaks by fault.
        commands = [(command, name) for command, name in (
            (chance.choice(("enable", "disable", "status")), chance.choice(tuple(called))) for _ in range(3 * COMMANDS))
            if (command, name) != ("disable", "mailu-home")][:COMMANDS]
        self.assertEqual(len(commands), COMMANDS)

        def run(command: tuple[str, str]) -> Completed:
            return self.egress(home, command[0], called[command[1]], expect=None)

        self.enable_vps()
        leaks = self.lab.isp_leak_count()
        with self.knocking(), ThreadPoolExecutor(AT_ONCE) as pool:
            for (command, name), done in zip(commands, pool.map(run, commands)):
                # status may look at a host that another command is changing: it tells what it saw.
                allowed = {DONE, NOT_AS_IT_SHOULD_BE, NOT_ENABLED} if command == "status" else {DONE}
                self.assertIn(done.returncode, allowed, f"{command} {name}: {done.stdout}{done.stderr}")
        self.assertEqual(self.lab.isp_leak_count() - leaks, 0, "the ISP counted tcp/25")

        for name in called:
            self.egress(home, "enable", called[name])
            self.egress(home, "status", called[name])
        self.assert_same(self.sorted_lines(all_enabled), self.sorted_lines(self.lab.snapshot(home)))
        for name in called:
            self.egress(home, "disable", called[name])
        self.assert_same(fresh, self.lab.snapshot(home))

    @staticmethod
    def sorted_lines(snapshot: str) -> str:
        """Which of three tables or admissions was made first is left to chance."""
        return "\n".join(sorted(snapshot.splitlines()))

    def test_a_disable_that_waited_for_another_is_done_too(self) -> None:
        home = self.lab.home
        path = self.profile_of("second")
        self.egress(home, "enable", path)
        with home.path("/run/smtp-egress/lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other run has it
            waiting = home.start([PROGRAM, "disable", "second"])
            while "/run/smtp-egress/lock" not in self.open_files(waiting):
                self.assertTrue(waiting.running())
            home.path("/run/smtp-egress/second.json").unlink()  # and is done with it
        said = waiting.stderr.read().decode()
        self.assertEqual(waiting.wait(), DONE, said)
        waiting.close()
        self.egress(home, "disable", path)
        self.assertEqual(self.lab.home.output(["ip", "route", "show", "table", "201"]), "")
        self.assertNotIn("smtp-egress", self.lab.home.output(["nft", "list", "tables"]))

    @staticmethod
    def open_files(process: Process) -> list[str]:
        try:
            return [str(descriptor.readlink()) for descriptor in Path(f"/proc/{process.pid}/fd").iterdir()]
        except (LabError, OSError):
            return []  # not there yet

    def test_a_writer_of_foreign_objects_all_the_time(self) -> None:
        self.against_a_writer(self.lab.home, ("enable", "mailu-home"))

    def against_a_writer(self, host: Host, enable: tuple[str, ...]) -> None:
        fresh = self.lab.snapshot(host)
        writer = host.start(["bash", "-c", _WRITER], stdin=-1)
        try:
            for number in range(ROUNDS):
                self.egress(host, *enable)
                if number % 50 == 0:
                    self.egress(host, "status", enable[1])
                self.egress(host, "disable", enable[1])
                self.assertTrue(writer.running(), "the writer ended")
            writer.stdin.close()
            code = writer.wait()
            told = writer.stdout.read().decode() + writer.stderr.read().decode()
            self.assertEqual(code, 0, told)
            print(f"{ROUNDS} rounds of ours, {told.strip()} of the writer's", flush=True)
        finally:
            writer.stop()
        self.assert_same(fresh, self.lab.snapshot(host))


if __name__ == "__main__":
    unittest.main()
