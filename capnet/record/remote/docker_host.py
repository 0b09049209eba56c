"""A Docker host: the daemon's API, and a shell on its machine if there is a way to one.

unix://   API, and taps on this machine
ssh://    API through ssh, and taps through `ssh HOST sudo -n ...`
tcp://    API only: the host can be driven, but not captured at
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.remote import ssh_forward
from capnet.record.remote.docker_urls import parsed_url, shown_url
from capnet.record.remote.shell import Shell

_ANY_VERSION = "1.24"  # of the API, for a request that has none: what docker-py takes

TIMEOUT = 120  # seconds for one API call: creating a swarm or loading an image takes its time


@dataclass
class DockerHost:
    """`name` is what the host is called everywhere; `no_capture_reason`: why there is no capturing there, else None."""

    name: str
    url: str = field(repr=False)  # may hold a password
    client: Any  # docker.DockerClient
    version: str
    kernel: str
    shell: Shell | None
    no_capture_reason: str | None = None
    _open: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    @property
    def shown_url(self) -> str:
        """Its URL without a password."""
        return shown_url(self.url)

    def control_ports(self) -> set[int]:
        """TCP ports on the wire by which this host is driven from here, captures of its packets sent included."""
        parts = urlsplit(self.url)
        if parts.scheme == "ssh":
            return ssh_forward.ssh_ports(ssh_forward.ssh_command(parts))
        return {parts.port} if parts.port else set()

    def close(self) -> None:
        """Closes the client, and the ssh connection that it may use."""
        self._open.close()


def docker_client(url: str, *, timeout: float = TIMEOUT, tls: Any = None) -> Any:
    """A docker.DockerClient that speaks the version of the API that the daemon names.

    Asked by /_ping, whose answer is a header. docker-py itself asks /version, and for that dockerd runs `runc
    --version` and `docker-init --version` each time, like for /info.
    """
    import docker

    return docker.DockerClient(base_url=url, timeout=timeout, tls=tls, version=ping(url, timeout=timeout, tls=tls)[0])


def ping(url: str, *, timeout: float = TIMEOUT, tls: Any = None) -> tuple[str, str]:
    """(version of the API, version of Docker) of the daemon at `url`, the second empty where it does not say.

    Raises what docker-py and requests raise when none answers.
    """
    import docker

    with docker.APIClient(base_url=url, timeout=timeout, tls=tls, version=_ANY_VERSION) as asker:
        answer = asker.get(f"{asker.base_url}/_ping", timeout=timeout)
        answer.raise_for_status()
        if "Api-Version" not in answer.headers:
            raise docker.errors.DockerException("what answers there is something else")
        server = answer.headers.get("Server", "")  # Docker/20.10.24 (linux)
        return answer.headers["Api-Version"], server.partition(" ")[0].removeprefix("Docker/")


def connect(url: str | None = None, *, name: str | None = None) -> DockerHost:
    """Opens the Docker host at `url`; None means Docker's own environment and context. The caller closes it.

    Raises EnvironmentLacks when no daemon answers there, UsageError when the URL makes no sense.
    """
    import docker
    import requests

    url, tls = (url, None) if url else _docker_default()
    parts = parsed_url(url)
    with ExitStack() as stack:
        reached = f"unix://{stack.enter_context(ssh_forward.forwarded_socket(parts))}" if parts.scheme == "ssh" else url
        try:
            opened = docker_client(reached, tls=tls)
            stack.callback(opened.close)
            info = opened.info()
            shell, no_capture_reason = _shell(url)
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise EnvironmentLacks(
                f"no Docker daemon answers at {shown_url(url)} ({shown_url(_reason(error))}); start Docker, "
                "name another host with --host, or use --lab"
            ) from error
        return DockerHost(
            name=name or info["Name"],
            url=url,
            client=opened,
            version=info["ServerVersion"],
            kernel=info["KernelVersion"],
            shell=shell,
            no_capture_reason=no_capture_reason,
            _open=stack.pop_all(),
        )


def _docker_default() -> tuple[str, Any]:
    """(URL, TLS settings) that `docker` itself would use: DOCKER_HOST, else the current context, else the socket."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        settings = kwargs_from_env()
        return settings["base_url"], settings.get("tls")
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
    if context is None:
        raise UsageError(f"no Docker context named {os.environ.get('DOCKER_CONTEXT')!r}: see `docker context ls`")
    return (context.Host or "unix:///var/run/docker.sock").replace("http+unix://", "unix://"), context.TLSConfig


def _shell(url: str) -> tuple[Shell | None, str | None]:
    """(a shell on the daemon's machine, None) or (None, why there is none)."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        return Shell("self", ssh=ssh_forward.ssh_command(parts)), None
    if parts.scheme != "unix":
        return None, f"{shown_url(url)} gives Docker's API only; use ssh:// to listen there too"
    if not sys.platform.startswith("linux"):
        return None, "the containers run in a virtual machine that only Docker can enter"
    pid = _daemon_pid(parts.path)
    if pid == 0:
        return None, "the daemon runs outside this process namespace; run capnet on the host itself"
    return Shell(str(pid)), None


def _daemon_pid(path: str) -> int:
    """The process that listens on a unix socket (SO_PEERCRED, unix(7)): dockerd, or systemd for it (pid 1)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("3i", credentials)[0]
    return pid


def _reason(error: Exception) -> str:
    """The last, most concrete words of a chain of wrapped exceptions."""
    deepest: BaseException = error
    while (cause := deepest.__cause__ or deepest.__context__) is not None:
        deepest = cause
    return getattr(deepest, "strerror", None) or str(deepest)
