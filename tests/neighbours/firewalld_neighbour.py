"""A host with a real firewalld (nftables backend), as its package leaves it."""

from __future__ import annotations

from neighbour import IPV6, Completed, Neighbour, Process, topology

from lab import poll
from lab.chroot import Chroot
from lab.waiting import read_until

_SETTINGS = "/etc/firewalld/firewalld.conf"
_ALLOWED = 'rule family="{}" source address="{}" port port="25" protocol="tcp" accept'
# What lets the mail through for good, and survives every reload. Its replies pass as established ones. firewalld asks a
# policy only where an interface is in a zone by name: the tunnel, in the one that it is in already by default.
_POLICY = (
    ("--permanent", "--new-policy=smtp-egress"),
    ("--permanent", "--policy=smtp-egress", "--add-ingress-zone=ANY"),
    ("--permanent", "--policy=smtp-egress", "--add-egress-zone=ANY"),
    *(("--permanent", "--policy=smtp-egress",
       f"--add-rich-rule={_ALLOWED.format('ipv6' if ':' in source else 'ipv4', source)}")
      for source in (*IPV6.container_nets, *IPV6.tunnel_addresses)),  # as either nat leaves home
    ("--permanent", "--zone=public", f"--add-interface={topology.TUNNEL}"),
)


class Firewalld(Neighbour):
    suite = "bookworm"
    others_use_iptables = True  # firewalld flushes those tables too, whoever's rules are in them
    chroot: Chroot
    daemon: Process

    def begin(self) -> None:
        """As its package leaves it on a host; on the VPS the tunnel's own port is let in."""
        self.chroot = Chroot(self.host, self.suite)
        self.configure()
        self.chroot.run(["mkdir", "-p", "/run/dbus"])
        bus = self.chroot.start(["dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address"])
        read_until(bus.stdout, b"unix:", "the message bus")
        self.start_daemon()
        if self.side == "vps":
            self.tell("--permanent", f"--add-port={topology.TUNNEL_PORT}/udp")
            self.tell("--reload")

    def configure(self) -> None:
        pass

    def assert_default(self, line: str) -> None:
        """firewalld.conf has it as Debian ships it."""
        settings = self.chroot.path(_SETTINGS).read_text().splitlines()
        self.assertIn(line, settings, "Debian's own setting; else this proves nothing")

    def change_default(self, line: str, to: str) -> None:
        self.assert_default(line)
        settings = self.chroot.path(_SETTINGS)
        settings.write_text(settings.read_text().replace(f"\n{line}\n", f"\n{to}\n"))

    def start_daemon(self) -> None:
        self.daemon = self.chroot.start(["firewalld", "--nofork", "--nopid"])
        poll(lambda: self.chroot.run(["firewall-cmd", "--state"], check=False).returncode == 0, "firewalld to run")

    def restart_daemon(self) -> None:
        self.daemon.stop(bound=20)
        self.start_daemon()

    def ask(self, *words: str) -> Completed:
        done = self.chroot.run(["firewall-cmd", *words])
        self.assertNotIn("Error", done.stdout + done.stderr)
        return done

    def tell(self, *words: str) -> None:
        self.assertIn("success", self.ask(*words).stdout)

    def check_itself(self) -> None:
        """It lists all it has; an interface in a zone, and a rule, are added."""
        for words in (["--list-all"], ["--list-all-zones"], ["--get-active-zones"], ["--list-all-policies"]):
            self.ask(*words)
        self.tell("--zone=dmz", "--add-interface=added1")
        self.tell("--zone=dmz", "--add-rich-rule=rule family=ipv6 source address=2001:db8:9::/48 reject")
        self.ask("--zone=dmz", "--list-rich-rules")

    def add_policy(self) -> None:
        for words in _POLICY:
            self.tell(*words)
        self.tell("--reload")

    def assert_policy_survives(self, *loads: str) -> None:
        """A policy of firewalld's own lets the mail through: no rule of ours is needed, or lost."""
        self.add_policy()
        self.enable_both()
        with self.no_leak(), self.knocking():
            self.assert_kept()
            for load in loads:
                self.tell(load)
                if self.others_use_iptables:
                    self.assert_told_and_mended("admission", "ip filter")
                else:
                    self.assert_kept()

    def spend_a_day(self) -> None:
        """With a table that others may write to."""
        def day() -> None:
            self.tell("--add-rich-rule=rule family=ipv4 source address=10.9.9.0/24 reject")
            self.tell("--reload")
            self.tell("--zone=internal", "--add-interface=added0")

        self.assert_a_day(day, taken=("admission", "inet firewalld filter_FORWARD"))
