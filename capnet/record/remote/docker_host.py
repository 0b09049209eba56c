"""A Docker host: the daemon's API, and a shell on its machine if there is a way to one.

Captures run there as root: on this machine, through `ssh HOST sudo -n …`, or where neither is possible in a capture
container of the daemon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.remote import ssh_forward
from capnet.record.remote.docker_urls import parsed_url, shown_url
from capnet.record.remote.host_shell import HostShell, Reached
from capnet.record.remote.nodes.reached_host import ReachedHost
from capnet.record.remote.shell import Shell

_DESKTOP_SOCKET = re.compile(r"^unix:.*/\.docker/(desktop|run)/docker\.sock$")  # of its context desktop-linux
_ANY_VERSION = "1.24"  # of the API, for a request that has none: what docker-py takes

TIMEOUT = 120  # seconds for one API call: creating a swarm or loading an image takes its time


class NoDaemonAnswers(EnvironmentLacks):
    """No Docker runs there, or what answers is something else."""


@dataclass
class DockerHost(ReachedHost):
    """A machine whose Docker daemon answers."""

    name: str
    url: str = field(repr=False)  # may hold a password
    client: Any  # docker.DockerClient
    version: str
    kernel: str
    _open_shell: Callable[[ExitStack], Shell] = field(repr=False, compare=False)  # EnvironmentLacks where there is none
    _open: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)


def control_ports(hosts: Iterable[ReachedHost]) -> list[int]:
    """The TCP ports by which these hosts are driven from here, sorted."""
    return sorted({port for host in hosts for port in host.control_ports()})


def docker_client(url: str, *, timeout: float = TIMEOUT, tls: Any = None) -> Any:
    """A docker.DockerClient that speaks the version of the API that the daemon names.

    Asked by /_ping, whose answer is a header. docker-py itself asks /version, and for that dockerd runs `runc
    --version` and `docker-init --version` each time, like for /info.
    """
    import docker

    version = ping(url, timeout=timeout, tls=tls)[0]
    client = docker.DockerClient(base_url=url, timeout=timeout, tls=tls, version=version)
    _keep_certificates(client.api, tls)
    return client


def ping(url: str, *, timeout: float = TIMEOUT, tls: Any = None) -> tuple[str, str]:
    """(version of the API, version of Docker) of the daemon at `url`, the second empty where it does not say.

    Raises what docker-py and requests raise when none answers.
    """
    import docker

    with docker.APIClient(base_url=url, timeout=timeout, tls=tls, version=_ANY_VERSION) as asker:
        _keep_certificates(asker, tls)
        answer = asker.get(f"{asker.base_url}/_ping", timeout=timeout)
        answer.raise_for_status()
        if "Api-Version" not in answer.headers:
            raise docker.errors.DockerException("what answers there is something else")
        server = answer.headers.get("Server", "")  # Docker/20.10.24 (linux)
        return answer.headers["Api-Version"], server.partition(" ")[0].removeprefix("Docker/")


def _keep_certificates(api: Any, tls: Any) -> None:
    """Where Docker has an authority of its own, requests would rather take that of REQUESTS_CA_BUNDLE."""
    if tls is not None and tls.ca_cert:
        api.trust_env = False


def connect(
    url: str | None = None,
    *,
    name: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    may_start: bool = True,
    through: Path | None = None,
) -> DockerHost:
    """Opens the Docker host at `url`; None means Docker's own environment and context. The caller closes it.

    `say` is told when a capture container is started, if it `may_start`. `through` is a local socket that leads to
    the daemon.
    Raises EnvironmentLacks when no daemon answers there, UsageError when the URL makes no sense.
    """
    import docker
    import requests

    url, tls = (url, None if through else _tls_for(url)) if url else docker_default()
    parts = parsed_url(url)
    with ExitStack() as stack:
        if parts.scheme == "ssh" and through is None:
            through = stack.enter_context(ssh_forward.forwarded_socket(parts))
        reached = f"unix://{through}" if through else url
        try:
            opened = docker_client(reached, tls=tls)
            stack.callback(opened.close)
            info = opened.info()
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _no_answer(url, _deepest(error)) from error
        return DockerHost(
            name=name or info["Name"],
            url=url,
            client=opened,
            version=info["ServerVersion"],
            kernel=info["KernelVersion"],
            _open_shell=HostShell(url, Reached(opened, reached, tls), info, say, may_start).open,
            _open=stack.pop_all(),
        )


def _no_answer(url: str, reason: BaseException) -> EnvironmentLacks:
    """The error for a daemon that does not answer."""
    shown, why = shown_url(url), shown_url(_reason(reason))
    if isinstance(reason, PermissionError):
        return EnvironmentLacks(
            f"{shown} is not open to this user ({reason.strerror}); run capnet as root "
            "(sudo capnet …), or as a member of the socket's group, usually docker"
        )
    if _DESKTOP_SOCKET.search(url):
        return EnvironmentLacks(
            f"Docker Desktop does not answer at {shown} ({why}); start it, or name the Docker of this machine: "
            "--host unix:///var/run/docker.sock (docker context use default)"
        )
    return NoDaemonAnswers(
        f"no Docker daemon answers at {shown} ({why}); start Docker, or name another host with --host"
    )


def _tls_for(url: str) -> Any:
    """The docker.tls.TLSConfig that `docker -H URL` would use: DOCKER_TLS_VERIFY, DOCKER_CERT_PATH; else None."""
    from docker.utils import kwargs_from_env

    if not url.startswith(("tcp://", "https://")):
        return None
    return kwargs_from_env(environment={**os.environ, "DOCKER_HOST": url}).get("tls")


def docker_default() -> tuple[str, Any]:
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


def _deepest(error: Exception) -> BaseException:
    """The last, most concrete one of a chain of wrapped exceptions."""
    deepest: BaseException = error
    while (cause := deepest.__cause__ or deepest.__context__) is not None:
        deepest = cause
    return deepest


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
