"""Home with a real dockerd, its containers and its firewall."""

from __future__ import annotations

import contextlib
import itertools
from typing import Iterator

from engine_neighbour import EngineNeighbour, without_made_up_names
from neighbour import Host, without_counters

from lab.docker import Docker

TABLES = ("raw", "filter", "nat", "mangle")
UNREADABLE = ("incompatible", "unsupported", "# Warning")


class DockerNeighbour(EngineNeighbour):
    daemon_options: tuple[str, ...] = ()
    alternative: str | None = None  # the iptables that Docker uses, where it is not the chroot's own default

    engine: Docker

    def begin(self) -> None:
        """dockerd, and the mail stack in it."""
        self.engine = Docker(self.lab.home, self.lab.mx, *self.daemon_options, iptables=self.alternative)
        self.compose_up()

    @property
    def bridge(self) -> str:
        return self.network

    def restart_daemon(self) -> None:
        self.engine.restart()
        self.lab.container = self.engine.container("front")

    def assert_dockers_rules_list(self) -> None:
        """By the iptables that dockerd uses, and by the machine's, which may be another version: no complaint. (The
        machine's complains of every table of iptables-legacy's.)
        """
        runs = (self.engine.system.run, *([] if self.alternative else [self.lab.home.run]))
        for run, iptables in itertools.product(runs, ("iptables", "ip6tables")):
            for words in ([f"{iptables}-save"], *([iptables, "-t", table, "-S"] for table in TABLES)):
                done = run(words)
                for complaint in UNREADABLE:
                    self.assertNotIn(complaint, done.stderr + done.stdout, " ".join(words))

    def check_itself(self) -> None:
        super().check_itself()
        self.assert_dockers_rules_list()

    @contextlib.contextmanager
    def rules_listed(self) -> Iterator[None]:
        """No tcp/25 by the ISP inside the block, and Docker's rules can be read before and after it."""
        self.assert_dockers_rules_list()
        with self.no_leak():
            yield
        self.assert_dockers_rules_list()

    def dockers_iptables(self) -> str:
        """All that the iptables of dockerd's tells; iptables-legacy's rules are to be seen by no other program."""
        saved = [self.engine.system.run([f"{iptables}-save"]).stdout for iptables in ("iptables", "ip6tables")]
        return without_counters("".join(saved))

    def all_of(self, host: Host) -> str:
        return without_made_up_names(self.dockers_iptables()) + super().all_of(host)
