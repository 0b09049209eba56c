"""A container in a daemon's own namespaces, in which a `Shell` runs its commands where there is no other way to root.

It is on the host's network, and sees the host's processes and so their namespaces. It ends when the connection to its
stdin does: also by the death of capnet, without a word. Its labels name the run, for `capnet scenario clean`.
Limits: a daemon that allows it. A user of Docker's API is root on its host anyway, by Docker's design.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from capnet.errors import EnvironmentLacks
from capnet.record.remote import exec_stream
from capnet.record.remote.exec_stream import DaemonAddress
from capnet.record.remote.image.daemon_image import ensure_image
from capnet.record.remote.shell import Shell
from capnet.record.run_id import MADE, RUN, temporary_folder, this_run

NAME = "capnet-capture"

# What nsenter, capture programs, conntrack and iptables-save take; `--privileged` would need all there are.
_CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"]
_STAY = ["sh", "-c", "read -r _"]
_PORTS = {False: 2375, True: 2376}  # of Docker's API without and with TLS

# $1: the path that dockerd gave to the host's namespace. A process that has it mounted there is in dockerd's mount
# namespace; the path alone may be that of a Docker inside a container, so the namespace must be ours.
_FIND_DAEMON = r"""
key=$1
grep -Fs " $(readlink /proc/self/ns/net) $key " /proc/[0-9]*/mountinfo
grep -sx 'dockerd' /proc/[0-9]*/comm
true
"""


def open_container(client: Any, url: str, tls: Any, undo: ExitStack, say: Callable[[str], None]) -> Shell:
    """Starts the container and returns a shell in it; `undo` removes it. EnvironmentLacks where that is not possible.

    `url` is where the daemon is reached from here, unix:// or tcp://; `tls` the docker.tls.TLSConfig, or None.
    """
    from docker.errors import APIError, DockerException

    api = client.api
    image = ensure_image(client, say)
    folder = temporary_folder("container")
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    endpoint = endpoint_of(url, tls, api.api_version)
    file = folder / "endpoint.json"
    file.write_text(json.dumps(endpoint._asdict()))
    name = f"{NAME}-{this_run()}-{secrets.token_hex(4)}"
    undo.callback(_remove, api, name)  # by its name: an interrupt may come while Docker makes it
    try:
        container = _create(api, image, name)
        path = f"/containers/{container}/attach?stream=1&stdin=1"
        held, _ = exec_stream.stream(endpoint, path)
        undo.callback(held.close)
        api.start(container)
    except (exec_stream.Refused, DockerException, OSError) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise EnvironmentLacks(f"no capture container can be started there: {reason}") from error
    command = (sys.executable, "-I", "-S", exec_stream.__file__, str(file), container)
    return Shell(_daemon_pid(api, container, Shell("self", container=command)), container=command)


def endpoint_of(url: str, tls: Any, version: str) -> DaemonAddress:
    """Where the daemon is reached, for the processes that carry streams."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return DaemonAddress(version, path=parts.path)
    encrypted = tls is not None or parts.scheme == "https"
    certificate, key = (tls.cert if tls is not None else None) or ("", "")
    return DaemonAddress(
        version,
        host=parts.hostname or "",
        port=parts.port or _PORTS[encrypted],
        authorization=unquote(f"{parts.username}:{parts.password or ''}") if parts.username else "",
        tls=encrypted,
        ca=(tls.ca_cert if tls is not None else None) or "",
        certificate=certificate,
        key=key,
        verify=tls is None or tls.verify is not False,
    )


def _create(api: Any, image: str, name: str) -> str:
    """The id of the container, which is not started yet."""
    settings = api.create_host_config(
        network_mode="host",
        pid_mode="host",
        userns_mode="host",  # else a dockerd that maps users (userns-remap) refuses the host's network and processes
        cap_add=_CAPABILITIES,
        security_opt=["apparmor=unconfined", "seccomp=unconfined", "label=disable"],
        auto_remove=True,
        log_config={"Type": "none"},
    )
    created = api.create_container(
        image,
        _STAY,
        stdin_open=True,  # docker-py adds that the end of one connection is the end of stdin
        name=name,
        labels={MADE: "1", RUN: this_run()},
        host_config=settings,
    )
    container: str = created["Id"]
    return container


def _remove(api: Any, container: str) -> None:
    """Removes it, unless it is gone: it ends by itself when its stdin does."""
    import requests
    from docker.errors import APIError

    with suppress(APIError, requests.RequestException):
        api.remove_container(container, force=True, v=True)


def _daemon_pid(api: Any, container: str, shell: Shell) -> str:
    """A process in dockerd's mount namespace and the host's network namespace, as the container numbers it.

    dockerd itself where it is seen; else process 1, which is right where dockerd has no mounts of its own.
    """
    key = api.inspect_container(container)["NetworkSettings"].get("SandboxKey") or ""
    key = re.sub(r"^/var/run/", "/run/", key)  # a link, which the mount is told without
    if not key:
        return "1"
    printed = shell.run(["sh", "-c", _FIND_DAEMON, "sh", key], title="find dockerd")
    pids = re.findall(r"^/proc/(\d+)/mountinfo:", printed, re.MULTILINE)
    daemons = set(re.findall(r"^/proc/(\d+)/comm:", printed, re.MULTILINE))
    with_mount = sorted(set(pids), key=lambda pid: (pid not in daemons, int(pid)))
    return with_mount[0] if with_mount else "1"
