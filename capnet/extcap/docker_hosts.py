"""The Docker hosts whose containers are offered: the one that `docker` itself would use, and those of a lab that is up.

Found without docker-py, which takes more processor time to load than an answer may take.
"""

from __future__ import annotations

import json
import os

from capnet.quick_tuple import NamedTuple

DEFAULT_SOCKET = "/var/run/docker.sock"
LAB_FOLDER = "/run/capnet-lab"  # as in lab.addressing, which a test compares
LAB_HOSTS = ("A", "B")
MAX_CONTEXT = 1 << 20  # bytes of a file that describes a Docker context


class HostUrl(NamedTuple):
    """A Docker host; the name of the default one is empty."""

    name: str
    url: str

    @property
    def socket_path(self) -> str:
        """The path of a Unix socket, empty where the URL is none."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""


def docker_hosts() -> list[HostUrl]:
    """The default host first, unless it is one of the lab's: what is listed twice would be two interfaces."""
    folder = os.path.realpath(os.environ.get("CAPNET_LAB_DIR") or LAB_FOLDER)
    labs = [HostUrl(name, f"unix://{folder}/{name}/docker.sock") for name in LAB_HOSTS]
    labs = [host for host in labs if os.access(host.socket_path, os.W_OK)]
    default = HostUrl("", default_url())
    is_of_lab = os.path.realpath(default.socket_path) in [host.socket_path for host in labs]
    return labs if is_of_lab else [default, *labs]


def default_url() -> str:
    """DOCKER_HOST, else the endpoint of the current Docker context, else the usual socket."""
    if url := os.environ.get("DOCKER_HOST"):
        return url
    folder = os.environ.get("DOCKER_CONFIG") or f"{os.environ.get('HOME', '')}/.docker"
    name: object = os.environ.get("DOCKER_CONTEXT") or _read(f"{folder}/config.json", "currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return f"unix://{DEFAULT_SOCKET}"
    from hashlib import sha256  # loads OpenSSL

    meta = f"{folder}/contexts/meta/{sha256(name.encode()).hexdigest()}/meta.json"
    endpoint = _read(meta, "Endpoints", "docker", "Host")
    return endpoint if isinstance(endpoint, str) else ""


def _read(path: str, *keys: str) -> object:
    """The value at the end of the keys in a file of JSON; None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  pathlib takes 4 ms to load
            value = json.loads(file.read(MAX_CONTEXT))
    except (OSError, ValueError, RecursionError):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
