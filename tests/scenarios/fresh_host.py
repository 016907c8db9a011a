"""Hosts on which nothing of ours is set up yet, and a Docker that answers for a mail stack's compose project: a stand-in.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from scenario import DONE, PROGRAM, Completed, Host, Scenario, topology as at

from docker_daemon import docker_daemon, http


def network(name: str, *subnets: str, driver: str = "bridge", internal: bool = False) -> dict[str, object]:
    return {"Name": name, "Driver": driver, "Internal": internal,
            "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


def container(name: str, image: str, *networks: str, project: str = "", service: str = "") -> dict[str, object]:
    return {"Names": ["/" + name], "Image": image,
            "Labels": {"com.docker.compose.project": project, "com.docker.compose.service": service},
            "NetworkSettings": {"Networks": {network: {} for network in networks}}}


def docker_of(networks: list[dict[str, object]], containers: list[dict[str, object]]) -> dict[str, str]:
    """Docker's answers, by path."""
    networks = [network("bridge", "172.17.0.0/16"), network("host", driver="host"), *networks]
    answers = {"/networks": http(json.dumps(networks)), "/containers/json": http(json.dumps(containers))}
    return answers | {f"/networks/{known['Name']}": http(json.dumps(known)) for known in networks}


def stack_in_docker(project: str, service: str, image: str, *subnets: str) -> dict[str, str]:
    name = f"{project}_default"
    return docker_of([network(name, *subnets), network("web_default", "172.30.0.0/16")],
                     [container(f"{project}-{service}-1", image, name, project=project, service=service),
                      container("web-nginx-1", "nginx:1.27", "web_default", project="web", service="nginx")])


MAILU = stack_in_docker("mailu", "smtp", "ghcr.io/mailu/postfix:2024.06", at.CONTAINER_NET)


class Fresh(Scenario):
    """Each host has an /etc/smtp-egress of its own, which is not there yet."""

    def setUp(self) -> None:
        super().setUp()
        self.etc = Path(tempfile.mkdtemp(prefix="smtp-egress-init-"))
        self.addCleanup(shutil.rmtree, self.etc)

    def config(self, host: Host) -> Path:
        return self.etc / host.name

    def written(self, host: Host) -> list[str]:
        return sorted(str(path.relative_to(self.etc)) for path in self.config(host).rglob("*"))

    def environment(self, host: Host) -> dict[str, str]:
        return {"SMTP_EGRESS_CONFIG_DIR": str(self.config(host))}

    def smtp_egress(self, host: Host, *words: str, expect: int = DONE, input: str | None = None) -> Completed:
        done = host.run([PROGRAM, *words], check=False, env=self.environment(host), input=input)
        if done.returncode != expect:
            self.fail(f"{host.name}: smtp-egress {' '.join(words)}: exit {done.returncode}, not {expect}\n"
                      f"{done.stdout}{done.stderr}")
        return done

    def docker(self, answers: dict[str, str]) -> contextlib.AbstractContextManager[None]:
        return docker_daemon(self.lab.home, answers)

    def assert_mail_and_exact_undo(self, home: str, vps: str, before: tuple[str, str]) -> None:
        """With both ends enabled: mail, nothing else rerouted, all checks pass, nothing stays behind."""
        with self.no_leak(), self.knocking():
            self.assert_mail_passes()
        with self.lab.capture(self.lab.home, at.TUNNEL, "tcp") as inside:
            self.assertEqual(self.lab.container.seen_as(at.MX, 443), at.HOME)
        self.assertEqual(inside.packets, [], "nothing of that belongs in the tunnel")
        for host, name in ((self.lab.home, home), (self.lab.vps, vps)):
            self.smtp_egress(host, "verify", name)
        self.smtp_egress(self.lab.home, "disable", home)
        self.smtp_egress(self.lab.vps, "disable", vps)
        for host, then in zip((self.lab.home, self.lab.vps), before):
            self.assert_same(then, self.lab.snapshot(host))

    def snapshots(self) -> tuple[str, str]:
        return self.lab.snapshot(self.lab.home), self.lab.snapshot(self.lab.vps)
