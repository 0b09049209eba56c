"""A lab of a test module's own: its folder, its hosts, and clients of their daemons."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import docker
import pytest

from capnet.lab import lab
from capnet.lab.addressing import Lab
from capnet.record.remote.docker_host import DockerHost, connect
from tests.live.swarms import Clients


@contextmanager
def lab_folder(folder: Path) -> Iterator[None]:
    """This process and those that it starts use the lab in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPNET_LAB_DIR", str(folder))
        yield


@contextmanager
def own_lab(name: str) -> Iterator[Lab]:
    """A running lab that no other module uses. Its sockets need a short path."""
    with lab_folder(Path(f"/run/capnet-{name}-{os.getpid()}")), lab.running(print) as running:
        yield running


@contextmanager
def own_clients(name: str) -> Iterator[Clients]:
    """Host → docker's client of its daemon, in a lab of the module's own."""
    with own_lab(name) as made, ExitStack() as stack:
        yield {
            host: stack.enter_context(closing(docker.DockerClient(base_url=made.hosts[host].docker_url)))
            for host in made.hosts
        }


@contextmanager
def own_hosts(name: str) -> Iterator[dict[str, DockerHost]]:
    """Hosts A and B as capnet opens them, in a lab of the module's own."""
    with own_lab(name) as made, ExitStack() as stack:
        yield {
            host: stack.enter_context(closing(connect(made.hosts[host].docker_url, name=host))) for host in made.hosts
        }
