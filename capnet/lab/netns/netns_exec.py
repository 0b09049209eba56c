"""Going into a host, as `capnet lab exec` and `capnet lab shell` do."""

from __future__ import annotations

import os
from typing import NoReturn

from capnet.errors import CapnetError
from capnet.lab.addressing import LabHost
from capnet.lab.daemon import processes
from capnet.record.remote.shell import cannot_run, search_path

# nsenter leaves us in / (setns(2) into a mount namespace changes the working folder): go back, if we can.
_RUN_IN_FOLDER = 'cd "$1" 2>/dev/null; shift; exec "$@"'


def replace_this_process(host: LabHost, words: list[str]) -> NoReturn:
    """Becomes the command `words` in the host's namespaces, with DOCKER_HOST set to its daemon."""
    pid = processes.listener(host)
    if pid is None:
        raise CapnetError(f"the daemon of host {host.name} is down; repair the lab: capnet lab up")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    environment |= {"DOCKER_HOST": host.docker_url, "PATH": search_path()}
    enter = ["nsenter", f"--target={pid}", "--net", "--mount", "--uts", "--"]
    command = [*enter, "sh", "-c", _RUN_IN_FOLDER, "sh", os.environ.get("PWD", "/"), *words]
    try:
        os.execvpe("nsenter", command, environment)
    except OSError as error:
        raise cannot_run(error) from error
