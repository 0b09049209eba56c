"""A container of a scenario: what runs in it, and where to listen at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capnet.errors import ScenarioFailed
from capnet.record import places
from capnet.record.places import Point
from capnet.scenario.execute import execute

if TYPE_CHECKING:
    from capnet.scenario.stage_host import StageHost


class Box:
    """A running container; `name` is what we call it, `docker_name` what Docker does."""

    def __init__(self, host: StageHost, name: str, container: Any) -> None:
        self.host = host
        self.name = name
        self.docker_name: str = container.name
        self._container = container

    def address(self, network: str = "bridge", *, version: int = 4) -> str:
        """Its IPv4 (or IPv6) address on a network, as docker inspect has it."""
        self._container.reload()
        key = "IPAddress" if version == 4 else "GlobalIPv6Address"
        found: str = self._container.attrs["NetworkSettings"]["Networks"][network][key]
        return found

    def attempt(self, command: str) -> tuple[int, str]:
        """Runs a shell command in the container; returns its exit status and what it printed."""
        return execute(self._container, ["sh", "-c", command])

    def run(self, command: str) -> str:
        """Runs a shell command in the container; returns what it printed. ScenarioFailed if it fails."""
        status, printed = self.attempt(command)
        if status != 0:
            said = printed.strip().splitlines()
            raise ScenarioFailed(
                f"in {self.name} on {self.host.name}: `{command}` failed with status {status}: "
                + (said[-1] if said else "it said nothing")
            )
        return printed

    def fails(self, command: str, *, saying: str = "") -> str:
        """Runs a command that is to fail, with these words; returns what it printed. ScenarioFailed otherwise."""
        status, printed = self.attempt(command)
        if status == 0 or saying not in printed:
            raise ScenarioFailed(
                f"in {self.name} on {self.host.name}: `{command}` was to fail"
                + (f", saying {saying!r}" if saying else "")
                + f"; its status is {status}, and it said: {printed.strip() or 'nothing'}"
            )
        return printed

    def until(self, command: str, *, within: float = 60) -> None:
        """Repeats the command until it succeeds. ScenarioFailed when it still does not `within` seconds.

        It is repeated in the container: to get there takes Docker much longer than most commands take.
        """
        repeat = f"until ({command}); do [ $(date +%s) -lt $end ] || exit 1; sleep 0.2; done"
        status, printed = self.attempt(f"end=$(($(date +%s) + {within:.0f})); {repeat}")
        if status != 0:
            said = printed.strip().splitlines()
            raise ScenarioFailed(
                f"after {within:.0f} s still not so: in {self.name}: `{command}`" + (f": {said[-1]}" if said else "")
            )

    def interface(self, name: str, describes: str = "") -> Point | None:
        """A place to listen: an interface inside the container."""
        if self.host.docker.shell is None:
            return None
        return places.in_container(self.host.docker, self.docker_name, name, describes or f"{name} inside {self.name}")

    def leg(self, network: str) -> str:
        """The name of the interface with which it is on a network."""
        lines = self.run("ip -4 -o addr show").splitlines()
        own = self.address(network)
        return next(line.split()[1] for line in lines if line.split()[3].split("/")[0] == own)

    def veth(self, interface: str, describes: str = "") -> Point | None:
        """A place to listen: the host end of the container's veth."""
        if self.host.docker.shell is None:
            return None
        return places.veth_of(
            self.host.docker, self.docker_name, interface, describes or f"host end of {interface} of {self.name}"
        )
