"""Which Docker hosts are asked: the one that docker-py would take, and those of the lab."""

from __future__ import annotations

import hashlib
import json
import socket
import tempfile

import pytest
from docker.context import ContextAPI

from capnet.extcap.docker_hosts import LAB_HOSTS, default_url, docker_hosts
from capnet.lab import addressing


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv(addressing.FOLDER_VARIABLE, str(tmp_path / "lab"))


def make_context(folder, name, url):
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": url, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(content))


def test_default_host_is_the_usual_socket():
    assert docker_hosts() == [("", "unix:///var/run/docker.sock")]


def test_variable_comes_before_context(tmp_path, monkeypatch):
    make_context(tmp_path, "rootless", "unix:///run/user/1000/docker.sock")
    (tmp_path / "config.json").write_text("{}")  # docker-py looks for contexts beside it
    monkeypatch.setenv("DOCKER_CONTEXT", "rootless")
    assert default_url() == "unix:///run/user/1000/docker.sock" == ContextAPI.get_context("rootless").Host
    monkeypatch.setenv("DOCKER_HOST", "ssh://b")
    assert default_url() == "ssh://b"


def test_current_context_of_configuration_is_taken(tmp_path):
    make_context(tmp_path, "rootless", "unix:///run/user/1000/docker.sock")
    (tmp_path / "config.json").write_text('{"currentContext": "rootless"}')
    assert default_url() == "unix:///run/user/1000/docker.sock"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"currentContext": 7}', '{"currentContext": ""}', "[" * 100_000])
def test_broken_configuration_is_the_default(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    assert default_url() == "unix:///var/run/docker.sock"


def test_unknown_context_has_no_host(monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    assert default_url() == ""


def test_hosts_of_a_lab_are_those_of_the_lab(monkeypatch):
    """The names are written down twice, since the lab's own module takes half the processor time there is."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # short, as the lab wants it
        monkeypatch.setenv(addressing.FOLDER_VARIABLE, folder)
        lab = addressing.chosen()
        assert tuple(lab.hosts) == LAB_HOSTS
        for host in lab.hosts.values():
            host.folder.mkdir(parents=True)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(host.socket))
        assert docker_hosts()[1:] == [(host.name, host.docker_url) for host in lab.hosts.values()]
        monkeypatch.setenv("DOCKER_HOST", lab.hosts["A"].docker_url)  # as `capnet lab shell A` sets it
        assert docker_hosts() == [(host.name, host.docker_url) for host in lab.hosts.values()]
