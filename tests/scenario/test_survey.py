"""The topology of a run that failed: asked for where the daemon still answers, and missing with a reason where not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import docker
import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.find.connections import Connections
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.session import Session


def _no_shell(undo: ExitStack) -> None:
    raise EnvironmentLacks("no root here")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def session(tmp_path: Path, said: list[str]) -> Session:
    """On a host whose daemon is gone: nothing listens at its socket."""
    url = f"unix://{tmp_path}/docker.sock"
    client = docker.DockerClient(base_url=url, version="1.41")
    host = DockerHost("A", url, client, "20.10", "5.10", _no_shell)
    with ExitStack() as undo:
        yield Session("bridge", [host], "run", tmp_path, undo, said.append)
        client.close()


def test_survey_of_a_gone_daemon_says_what_is_missing(session, said):
    """The capture is kept; that its hosts and containers have no names, and why, is said."""
    connections = Connections(session.docker_hosts, [])
    said.clear()
    assert session.survey_if_possible([], connections) is None
    (line,) = said
    assert line.startswith("the capture is kept without addresses and names of hosts and containers: ")
    assert "host A: Docker stopped answering" in line


def test_survey_with_a_bug_is_not_hidden(session):
    """Only what a gone daemon or container gives is expected; all else goes on."""
    with pytest.raises(AttributeError):
        session.survey_if_possible([], None)
