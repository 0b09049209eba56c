"""The API that kube-proxy asks, as a program on 127.0.0.1. Truth: the Kubernetes API's concepts (lists, watches)."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

SOURCE = files("capnet.scenario.pods").joinpath("kube_api_server.py").read_text(encoding="utf-8")
OBJECTS = {"services": [{"metadata": {"name": "web"}}], "nodes": [{"metadata": {"name": "a"}}]}


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    program = [sys.executable, "-I", "-c", SOURCE, json.dumps(OBJECTS)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


def answer(url: str, **options: Any) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=10) as got:
        return json.load(got)


def test_list_has_the_kind_and_the_version_that_were_asked_for(api: str) -> None:
    services = answer(f"{api}/api/v1/services?limit=500&resourceVersion=0")
    assert (services["kind"], services["apiVersion"]) == ("ServiceList", "v1")
    assert [each["metadata"]["name"] for each in services["items"]] == ["web"]
    slices = answer(f"{api}/apis/discovery.k8s.io/v1beta1/endpointslices")
    assert (slices["kind"], slices["apiVersion"], slices["items"]) == (
        "EndpointSliceList", "discovery.k8s.io/v1beta1", [],
    )  # fmt: skip


def test_node_is_found_by_its_name(api: str) -> None:
    assert answer(f"{api}/api/v1/nodes/a")["metadata"]["name"] == "a"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        answer(f"{api}/api/v1/nodes/b")


def test_watch_stays_open_and_brings_nothing(api: str) -> None:
    with urllib.request.urlopen(f"{api}/api/v1/services?watch=true", timeout=0.5) as watch:
        assert watch.status == 200
        with pytest.raises(TimeoutError):
            watch.read(1)


def test_event_is_accepted(api: str) -> None:
    event = {"kind": "Event"}
    assert answer(f"{api}/api/v1/namespaces/default/events", data=json.dumps(event).encode(), method="POST") == event
