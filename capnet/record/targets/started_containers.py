"""Containers of which Docker's events tell that they started: also those that have ended when a host is surveyed.

Input: events of types container and network, as `docker events --format json` prints them. Output: `Container`s with
what events tell: name, labels, networks.
"""

from __future__ import annotations

from capnet.record.find.capture_points import shown_name
from capnet.record.find.docker_facts import is_capnets_own
from capnet.record.find.host_facts import Entry
from capnet.record.find.services import belonging
from capnet.topology import Container, Endpoint, Topology


class StartedContainers:
    """Of one host, since `since_s` by the clock of its daemon."""

    def __init__(self, host: str, since_s: float) -> None:
        self._host, self._since_s = host, since_s
        self._networks: dict[str, list[str]] = {}  # id of a container that has not started yet → its networks
        self._started: dict[str, Container] = {}
        self._missed: set[str] = set()  # ids that `missed` has returned

    def note(self, event: Entry) -> None:
        """Another event, in order."""
        identity = event["Actor"]["ID"]
        labels = event["Actor"].get("Attributes") or {}
        if event["Type"] == "network":
            self._networks.setdefault(labels.get("container", ""), []).append(labels.get("name", ""))
            return
        networks = self._networks.pop(identity, [])
        attributes = {"Name": labels.get("name", ""), "Config": {"Labels": labels}}
        if event["timeNano"] < self._since_s * 1e9 or is_capnets_own(attributes):
            return
        belongs = belonging(labels)
        name, full_name = shown_name(attributes), attributes["Name"]
        self._started[identity] = Container(
            self._host,
            name,
            identity,
            labels.get("image", ""),
            "",
            [Endpoint(network, "", None, []) for network in networks],
            full_name=full_name if full_name != name else None,
            project=belongs.project,
            compose_service=belongs.compose_service,
            swarm_service=belongs.swarm_service,
        )

    def missed(self, topology: Topology) -> list[Container]:
        """Those that started since the last call, and have no process in `topology`; each once, if it starts often."""
        seen = {container.id for container in topology.containers if container.netns}
        missed = [each for each in self._started.values() if each.id not in self._missed | seen]
        self._started.clear()
        self._missed |= {each.id for each in missed}
        return missed
