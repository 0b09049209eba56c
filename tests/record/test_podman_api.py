"""podman in place of Docker: the sockets of its service, and when its containers are meant."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.find.runtimes import host_access, podman_api
from capnet.record.find.runtimes.podman_api import podman_urls

URL = "unix:///run/user/1000/podman/podman.sock"
NO_DOCKER = "no Docker daemon answers at unix:///var/run/docker.sock"
CLOSED = "unix:///var/run/docker.sock is not open to this user"


def test_service_of_a_user_is_a_socket_in_the_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman_api, "SOCKET_OF_ROOT", tmp_path / "none.sock")
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "podman" / "podman.sock"
    path.parent.mkdir()
    path.touch()
    assert podman_urls() == []  # a file, as a service leaves it that was killed on some systems
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert podman_urls() == [f"unix://{path}"]


class _Asked:
    """What was opened; a URL in `answering` opens."""

    def __init__(self, error: str, *answering: str) -> None:
        self.error, self.answering, self.lines = error, answering, list[str]()

    def connect(self, url: str | None, **_: Any) -> str:
        if url not in self.answering:
            raise EnvironmentLacks(self.error)
        return f"host of {url}"

    def reach(self, monkeypatch: pytest.MonkeyPatch, url: str | None = None) -> Any:
        monkeypatch.setattr(host_access, "connect", self.connect)
        monkeypatch.setattr(host_access, "podman_urls", lambda: [URL])
        monkeypatch.setattr(host_access, "docker_default", lambda: (os.environ.get("DOCKER_HOST") or _DEFAULT, None))
        monkeypatch.setattr(host_access, "open_node", lambda *_: None)
        return host_access.reach(url, say=self.lines.append)


_DEFAULT = "unix:///var/run/docker.sock"


def test_podman_is_asked_where_no_docker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    asked = _Asked(NO_DOCKER, URL)
    assert asked.reach(monkeypatch) == f"host of {URL}"
    assert asked.lines == [f"no Docker daemon answers here; these are podman's containers, of {URL}"]


@pytest.mark.parametrize(
    ("error", "url", "docker_host"),
    [
        (CLOSED, None, ""),  # a Docker daemon is there
        (NO_DOCKER, "unix:///run/other.sock", ""),  # another host is named
        (NO_DOCKER, None, "tcp://10.0.0.1:2375"),
    ],
    ids=["closed", "--host", "DOCKER_HOST"],
)
def test_podman_is_not_asked_in_place_of_a_named_host(
    error: str, url: str | None, docker_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    asked = _Asked(error, URL)
    with pytest.raises(EnvironmentLacks, match=error):
        asked.reach(monkeypatch, url)
    assert asked.lines == []
