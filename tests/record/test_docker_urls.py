"""URLs of Docker hosts: what makes no sense is refused, and no message holds a password."""

from __future__ import annotations

import pytest

from capnet.cli import cli
from capnet.errors import CapnetError, UsageError
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.record.remote.docker_urls import parsed_url, shown_url
from capnet.record.remote.shell import Shell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp://ann:secret@host:2376", "tcp://ann:***@host:2376"),
        ("ssh://ann:sec:re/t@ab@host", "ssh://ann:***@host"),
        ("ssh://:secret@host", "ssh://:***@host"),
        ("ann:secret@host", "ann:***@host"),
        ("no answer at https://ann:secret@host/v1.41 (refused)", "no answer at https://ann:***@host/v1.41 (refused)"),
        ("ssh://ann@host:22/run/docker.sock", "ssh://ann@host:22/run/docker.sock"),
        ("unix:///home/ann:x/docker@home.sock", "unix:///home/ann:x/docker@home.sock"),
        ("ssh: connect to ann@host: Connection refused", "ssh: connect to ann@host: Connection refused"),
    ],
)
def test_shown_url_has_no_password(text: str, shown: str) -> None:
    assert shown_url(text) == shown


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ssh://", r"ssh://: the name of a host is missing; write ssh://user@host"),
        ("ssh://ann@", r"the name of a host is missing"),
        ("ssh:///var/run/docker.sock", r"the name of a host is missing"),
        ("tcp://:2376", r"the name of a host is missing; write tcp://host:2376"),
        ("unix://", r"the path of a socket is missing"),
        ("unix://docker.sock", r"the path of a socket is missing"),
        ("ftp://host", r"a Docker host is unix:///path, tcp://host:port or ssh://user@host"),
        ("tcp://[::1", r"Invalid IPv6 URL"),
        ("ssh://ann:secret@host", r"ssh://ann:\*\*\*@host: ssh takes no password from a URL"),
        ("tcp://ann:secret@host:x", r"host and port cannot be read"),
        ("ftp://ann:secret@host", r"ftp://ann:\*\*\*@host"),
    ],
)
def test_url_without_sense_is_refused(url: str, complaint: str) -> None:
    for refuse in (parsed_url, connect):
        with pytest.raises(UsageError, match=complaint) as caught:
            refuse(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["tcp://ann:secret@127.0.0.1:9", "tcp://ann:sec/ret@127.0.0.1:9", "tcp://ann:secret@"])
@pytest.mark.parametrize("variable", [False, True])
def test_failing_connect_tells_no_password(url: str, variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 9 of this machine has no listener; the reason comes from requests, which quotes what it was given."""
    monkeypatch.setenv("DOCKER_HOST", url)
    with pytest.raises(CapnetError) as caught:
        connect(None if variable else url)
    assert "ann:***@" in str(caught.value)
    assert "secret" not in str(caught.value) and "ret@" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "A=", "--host", "tcp://ann:secret@127.0.0.1:9"),
        ("--host", "=tcp://ann:secret@127.0.0.1:9"),
        ("--host", "ssh://ann:secret@host"),
    ],
)
@pytest.mark.parametrize("command", ["ps", "capture"])
def test_command_tells_no_password(words: tuple[str, ...], command: str) -> None:
    with pytest.raises(CapnetError) as caught:
        cli.main([command, *words], standalone_mode=False)
    assert "secret" not in str(caught.value)


def test_docker_host_shows_no_password() -> None:
    host = DockerHost("A", "tcp://ann:secret@host:2376", None, "20.10", "6.1", lambda undo: Shell("self"))
    assert host.shown_url == "tcp://ann:***@host:2376"
    assert "secret" not in repr(host)
