"""Playing a scenario on the lab's two hosts, whichever kernel they have, with the daemon settings that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from capnet.lab import settings, users
from capnet.lab.plan import Kernel, Lab
from capnet.lab.uml import inner
from capnet.record.host import connect
from capnet.scenario import library
from capnet.scenario.image import DEFAULT as DEFAULT_IMAGE
from capnet.scenario.play import bundle_path
from capnet.scenario.play import play as play_on
from capnet.scenario.undo import docker_errors


def play(
    lab: Lab,
    name: str,
    *,
    output: Path,
    capture: tuple[str, ...] = (),
    image: str = DEFAULT_IMAGE,
    keep: bool = False,
    say: Callable[[str], None],
) -> Path:
    """Like capnet.scenario.play.play, on the hosts of a running lab, when nobody else plays there."""
    with users.turn(lab.folder, say), docker_errors(), ExitStack() as stack:
        if lab.kernel is Kernel.UML:
            path = bundle_path(output, name)
            inner.play(lab.folder, name, {"capture": capture, "image": image, "keep": keep}, path, say)
            return path
        settings.mend(lab, say)
        stack.enter_context(settings.applied(lab, library.daemon_settings(name), say, keep=keep))
        hosts = []
        for host in lab.hosts.values():
            hosts.append(connect(host.docker_url, name=host.name))
            stack.callback(hosts[-1].close)
        return play_on(name, hosts, output=output, capture=capture, image=image, keep=keep, say=say)
