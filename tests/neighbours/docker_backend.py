"""What must hold with any backend of Docker's: the mail passes, and nothing of Docker's is written into."""

from __future__ import annotations

from closed_ports import ClosedPorts
from engine_neighbour import AnyEngine
from neighbour import topology


class Backend(ClosedPorts, AnyEngine):
    """In a file of its own: the tests are run for the classes that are made of it, not for itself."""

    def dockers_rules(self) -> str:
        raise NotImplementedError

    def test_mail_passes_and_dockers_rules_are_left_alone(self) -> None:
        before = self.dockers_rules()
        self.enable_both()
        self.assert_same(before, self.dockers_rules())
        with self.no_leak():
            self.assert_kept()
        self.disable_both()
        self.assert_same(before, self.dockers_rules())

    def test_mail_passes_as_the_tunnels_address(self) -> None:
        """The VPS knows nothing but the tunnel's address then."""
        before = self.dockers_rules()
        address = f"{topology.HOME_TUNNEL}/32"
        self.lab.vps_tunnel.set_allowed_ips(address)
        self.enable_vps("--subnet", address)
        self.enable("--set", "nat=masquerade")
        self.assert_same(before, self.dockers_rules())
        with self.no_leak():
            self.assert_kept()

    def test_a_day(self) -> None:
        self.assert_a_day(self.restart_daemon)
