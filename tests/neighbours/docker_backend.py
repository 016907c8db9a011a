"""What must hold with any backend of Docker's: the mail passes, and nothing of Docker's is written into."""

from __future__ import annotations

from docker_host import DockerNeighbour
from neighbour import topology
from unpublished import assert_unpublished

from scenario import ENABLE_VPS


class Backend(DockerNeighbour):
    """In a file of its own: the tests are run for the classes that are made of it, not for itself."""

    def dockers_rules(self) -> str:
        raise NotImplementedError

    def restart_with_rules(self) -> None:
        self.restart_docker()

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
        self.egress(self.lab.vps, *ENABLE_VPS, "--subnet", address)
        self.enable("--set", "nat=masquerade")
        self.assert_same(before, self.dockers_rules())
        with self.no_leak():
            self.assert_kept()

    def test_the_daemon_restarts(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.restart_with_rules()
            self.assert_kept()

    def test_compose_down_and_up(self) -> None:
        self.enable_both()
        with self.no_leak():
            self.compose_down()
            self.compose_up()
            self.assert_mail_passes()
            self.enable()
            self.assert_kept()

    def test_unpublished_ports_are_closed_to_the_vps(self) -> None:
        self.enable_both()
        assert_unpublished(self)
        self.assert_kept()

    def test_undone(self) -> None:
        self.assert_docker_left_as_without_us(self.restart_with_rules)
