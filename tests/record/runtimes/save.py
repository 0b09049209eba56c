"""Records what a node answers to `capnet capture`: python -m tests.record.runtimes.save FILE, as root on the node.

Of each config.json, what is long and is not asked for is left out: mounts, process, hooks, root, limits, masks, and
annotations that hold all of a pod (`…Annotations`, `kubectl.kubernetes.io/…`, of CNI `pod-annotations`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capnet.record.find.inventory import survey_host
from capnet.record.remote.nodes.node_host import open_node
from capnet.record.remote.shell import Shell
from capnet.record.targets.uplinks import routed_devices, uplinks

_LONG = ("mounts", "process", "hooks", "root")
_LONG_OF_LINUX = ("resources", "maskedPaths", "readonlyPaths", "seccomp", "devices", "sysctl", "cgroupsPath")
_ALL_OF_A_POD = ("Annotations", "pod-annotations", "last-applied-configuration")


def _trimmed(value: Any) -> Any:
    """Without what is long."""
    if not isinstance(value, dict):
        return value
    kept = {key: _trimmed(each) for key, each in value.items() if not key.endswith((*_ALL_OF_A_POD, *_LONG))}
    return {key: each for key, each in kept.items() if key not in _LONG_OF_LINUX}


def _trimmed_listing(text: str) -> str:
    """The listing with each JSON on one line."""
    lines: dict[str, list[str]] = {}
    marked = []
    for line in text.splitlines():
        if line.startswith("@capnet "):
            marked.append(line)
        else:
            file, _, content = line.partition(":")
            lines.setdefault(file, []).append(content)
    return "\n".join(
        [*marked, *(f"{file}:{json.dumps(_trimmed(json.loads(''.join(text))))}" for file, text in lines.items()), ""]
    )


def main(target: Path) -> None:
    """Asks as `capnet ps` does, and writes question → answer."""
    answers: dict[str, str] = {}
    run = Shell.run

    def noting(shell: Shell, command: Sequence[str], **options: Any) -> str:
        answer = run(shell, command, **options)
        title = options.get("title") or " ".join(command)
        answers[title] = _trimmed_listing(answer) if title.startswith("list containers") else answer
        return answer

    Shell.run = noting  # type: ignore[method-assign]
    node = open_node("unix:///", "")
    assert node and node.shell
    survey_host(node)
    uplinks(node.shell)
    routed_devices(node.shell)
    target.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
