"""A running container of a scenario: commands in it, and the capture points at its interfaces."""

from __future__ import annotations

from typing import Any

from capnet.errors import ScenarioFailed
from capnet.record.find import capture_points
from capnet.record.find.capture_points import CapturePoint
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.execute import execute


class ScenarioContainer:
    """A running container on the host `docker`; `name` is the scenario's name for it, `docker_name` Docker's."""

    def __init__(self, docker: DockerHost, name: str, container: Any) -> None:
        self.docker = docker
        self.name = name
        self.docker_name: str = container.name
        self.pod_address = ""  # of a pod: what a CNI plugin gave it, of which Docker knows nothing
        self._container = container

    def address(self, network: str = "bridge", *, version: int = 4) -> str:
        """Its IPv4 (or IPv6) address on a network, as docker inspect has it; of a pod, its own IPv4 address."""
        if self.pod_address:
            return self.pod_address
        self._container.reload()
        key = "IPAddress" if version == 4 else "GlobalIPv6Address"
        address: str = self._container.attrs["NetworkSettings"]["Networks"][network][key]
        return address

    def attempt(self, command: str) -> tuple[int, str]:
        """Runs a shell command in the container; returns its exit status and what it printed."""
        return execute(self._container, ["sh", "-c", command])

    def run(self, command: str) -> str:
        """Runs a shell command in the container; returns what it printed. ScenarioFailed if it fails."""
        status, printed = self.attempt(command)
        if status != 0:
            lines = printed.strip().splitlines()
            raise ScenarioFailed(
                f"in {self.name} on {self.docker.name}: `{command}` failed with status {status}: "
                + (lines[-1] if lines else "it said nothing")
            )
        return printed

    def expect_failure(self, command: str, *, saying: str = "") -> str:
        """Runs a command that must fail and print these words; returns what it printed. ScenarioFailed otherwise."""
        status, printed = self.attempt(command)
        if status == 0 or saying not in printed:
            raise ScenarioFailed(
                f"in {self.name} on {self.docker.name}: `{command}` was to fail"
                + (f", saying {saying!r}" if saying else "")
                + f"; its status is {status}, and it said: {printed.strip() or 'nothing'}"
            )
        return printed

    def wait_until(self, command: str, *, within: float = 60) -> None:
        """Repeats the command until it succeeds. ScenarioFailed if it still fails after `within` seconds.

        The loop runs in the container: one `docker exec` takes much longer than most commands.
        """
        repeat = f"until ({command}); do [ $(date +%s) -lt $end ] || exit 1; sleep 0.2; done"
        status, printed = self.attempt(f"end=$(($(date +%s) + {within:.0f})); {repeat}")
        if status != 0:
            lines = printed.strip().splitlines()
            raise ScenarioFailed(
                f"after {within:.0f} s still not so: in {self.name}: `{command}`" + (f": {lines[-1]}" if lines else "")
            )

    def interface(self, name: str, describes: str = "") -> CapturePoint | None:
        """The capture point at an interface inside the container; None on a host without a shell."""
        if self.docker.shell is None:
            return None
        return capture_points.container_interface(
            self.docker, self.docker_name, name, describes or f"{name} inside {self.name}"
        )

    def leg(self, network: str) -> str:
        """The name of its interface on a network."""
        lines = self.run("ip -4 -o addr show").splitlines()
        own = self.address(network)
        return next(line.split()[1] for line in lines if line.split()[3].split("/")[0] == own)

    def veth(self, interface: str, describes: str = "") -> CapturePoint | None:
        """The capture point at the host end of its veth; None on a host without a shell."""
        if self.docker.shell is None:
            return None
        return capture_points.veth_host_end(
            self.docker, self.docker_name, interface, describes or f"host end of {interface} of {self.name}"
        )
