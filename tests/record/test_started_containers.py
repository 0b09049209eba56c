"""Containers that started and ended before their host was surveyed.

docker_events.json was recorded in a lab of Docker 20.10: `docker events --filter event=start --filter event=connect`
while two containers of the Compose projects other and shop ran `true` on the network back, with `--rm`.
"""

from __future__ import annotations

import json
from pathlib import Path

from capnet.record.run_id import MADE
from capnet.record.targets.started_containers import StartedContainers
from capnet.topology import Container, Topology

EVENTS = json.loads(Path(__file__).with_name("docker_events.json").read_text(encoding="utf-8"))
BEFORE_S = EVENTS[0]["timeNano"] / 1e9
GUEST = EVENTS[-1]["Actor"]["ID"]


def started(since_s: float = BEFORE_S) -> StartedContainers:
    containers = StartedContainers("A", since_s)
    for event in EVENTS:
        containers.note(event)
    return containers


def names(containers: list[Container]) -> list[str]:
    return [container.name for container in containers]


def test_container_that_has_ended_is_missed_once():
    containers = started()
    stranger, guest = containers.missed(Topology())
    assert (stranger.name, stranger.project) == ("stranger", "other")
    assert (guest.name, guest.project, guest.compose_service) == ("guest", "shop", "guest")
    assert [end.network for end in guest.endpoints] == ["back"]
    for event in EVENTS:  # as one that is restarted again and again
        containers.note(event)
    assert containers.missed(Topology()) == []


def test_container_that_runs_is_not_missed():
    running = Container("A", "guest", GUEST, "busybox", "back", netns="/proc/7/ns/net")
    assert names(started().missed(Topology(containers=[running]))) == ["stranger"]


def test_container_without_a_process_is_missed():
    """Docker listed it, and its process had ended when its namespace was looked for."""
    ended = Container("A", "guest", GUEST, "busybox", "back")
    assert names(started().missed(Topology(containers=[ended]))) == ["stranger", "guest"]


def test_start_before_the_capture_is_not_missed():
    """Events of two seconds before it are read, too."""
    assert started(EVENTS[-1]["timeNano"] / 1e9 + 0.1).missed(Topology()) == []
    assert names(started(EVENTS[1]["timeNano"] / 1e9 + 0.1).missed(Topology())) == ["guest"]


def test_container_that_captures_is_not_missed():
    containers = StartedContainers("A", 0)
    event = json.loads(json.dumps(EVENTS[-1]))
    event["Actor"]["Attributes"] |= {MADE: "1", "name": "capnet-capture-1234"}
    containers.note(event)
    assert containers.missed(Topology()) == []
