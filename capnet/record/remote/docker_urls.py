"""URLs of Docker daemons: which make sense, and how they are shown without their passwords.

unix:///PATH, ssh://[USER@]HOST[:PORT][/SOCKET], tcp://HOST:PORT; http:// and https:// as docker-py takes them.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from capnet.errors import UsageError

_FORMS = "a Docker host is unix:///path, tcp://host:port or ssh://user@host"
_SCHEMES = ("unix", "tcp", "ssh", "http", "https")

# Everything from the first colon behind the user's name to the last @ of the word: passwords hold : / @ too.
_PASSWORD = re.compile(r"((?:(?<=://)|\A(?![a-z+.]+://))[^\s:/@]*):\S*@")


def shown_url(text: str) -> str:
    """The URL, or a sentence that quotes URLs, with `***` for each password."""
    return _PASSWORD.sub(r"\1:***@", text)


def parsed_url(url: str) -> SplitResult:
    """The parts of a Docker host's URL. UsageError, without its password, for one that makes no sense."""
    shown = shown_url(url)
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where the port is none
    except ValueError as error:
        # Its words may quote a part of the password that stands where a port should.
        reason = str(error) if shown == url else "host and port cannot be read"
        raise UsageError(f"{shown}: {reason}") from error
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"{shown}: {_FORMS}")
    if parts.scheme == "unix":
        if parts.netloc or not parts.path:
            raise UsageError(f"{shown}: the path of a socket is missing; write unix:///var/run/docker.sock")
    elif not parts.hostname:
        example = {"ssh": "ssh://user@host", "tcp": "tcp://host:2376"}.get(parts.scheme, f"{parts.scheme}://host:port")
        raise UsageError(f"{shown}: the name of a host is missing; write {example}")
    if parts.scheme == "ssh" and parts.password is not None:
        raise UsageError(f"{shown}: ssh takes no password from a URL; leave it out, and use a key or ssh-agent")
    return parts
