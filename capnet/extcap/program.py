"""Answers Wireshark: which interfaces there are, what can be set for each, and their packets.

Sentences such as `interface {value=capnet:web}{display=…}` go to standard output, errors to standard error with an exit
code that is not 0: Wireshark shows them in a message when the program has ended.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from capnet import __version__
from capnet.extcap.arguments import Request, parse
from capnet.wireshark.sentences import DLTS, OPTIONS


def main(words: Sequence[str]) -> int:
    """Answers the request of the command line. Returns the exit code."""
    request = parse(words)
    if request.question == "--extcap-interfaces":
        return _answer(_interfaces())
    if request.question in ("--extcap-dlts", "--extcap-config"):
        return _about_interface(request)
    if request.question == "--capture":
        from capnet.extcap.capture import capture

        return capture(request)
    if request.capture_filter:
        from capnet.extcap.capture_filter import complaint

        return _answer(complaint(request.capture_filter))
    if "--extcap-version" in request.options:
        return _answer([_version()])
    return _refuse("run by Wireshark: see `capnet wireshark install`")


def _version() -> str:
    return f"extcap {{version={__version__}}}{{display=capnet}}"


def _interfaces() -> Iterator[str]:
    from capnet.extcap.docker_hosts import docker_hosts
    from capnet.extcap.interfaces import offered

    yield _version()
    for interface in offered(docker_hosts()):
        yield f"interface {{value={interface.value}}}{{display={interface.display}}}"


def _about_interface(request: Request) -> int:
    """The same for each; Docker is not asked."""
    from capnet.extcap.interfaces import target_of

    if target_of(request.interface) is None:
        return _refuse(f"no interface {request.interface!r}: capnet:CONTAINER, capnet-network:NAME, capnet-host:docker")
    return _answer(DLTS if request.question == "--extcap-dlts" else OPTIONS)


def _answer(sentences: Sequence[str] | Iterator[str]) -> int:
    sys.stdout.write("".join(f"{sentence}\n" for sentence in sentences))
    sys.stdout.flush()
    return 0


def _refuse(reason: str) -> int:
    from capnet.report.escape import visible

    sys.stderr.write(f"capnet: {visible(reason)}\n")
    return 2
