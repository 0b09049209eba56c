"""What a page shows beside a report: the command, the topology, digests of the files, frames of the evidence.

Only a page costs this: each file is read once more, up to its last frame that is evidence.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from capnet import language
from capnet.analysis.core.contract.document import short_names
from capnet.analysis.engine import Study
from capnet.report.escape import visible
from capnet.report.page.frames import EvidenceFrame, digests, read_frames
from capnet.report.page.supplement import FrameKey, Supplement

# Options that do not change what a report says.
_OF_THE_OUTPUT = ("output", "format_", "color", "no_pager", "threads")


def beside(study: Study, wanted: Sequence[FrameKey]) -> Supplement:
    """All of it. `wanted`: the frames to show, with the names that files have in the report.

    Of standard input there are neither digest nor frames: it cannot be read again.
    """
    files = [part for source in study.sources for part in source.parts]
    names = short_names(file.label for file in files)
    paths = {visible(names[file.label]): file.path for file in files if file.path is not None}
    return Supplement(
        command=given_command(),
        topology=study.context.topology,
        digests={} if study.options.until else digests(paths),
        frames=_frames(paths, wanted, study.options.vxlan_port),
        where={visible(name): given for given, name in names.items()},
    )


def _frames(paths: Mapping[str, Path], wanted: Sequence[FrameKey], vxlan_port: int) -> dict[FrameKey, EvidenceFrame]:
    numbers: dict[str, list[int]] = {}
    for file, number in wanted:
        numbers.setdefault(file, []).append(number)
    return {
        (file, number): frame
        for file, of_file in numbers.items()
        if file in paths
        for number, frame in read_frames(paths[file], of_file, vxlan_port).items()
    }


def given_command() -> str:
    """The command as it was given, for a shell, without options that only say how and where to write."""
    context = click.get_current_context(silent=True)
    if context is None or not context.info_name:
        return ""
    words = ["capnet", *(["--lang", language.current()] if language.is_chinese() else []), context.info_name]
    arguments: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in _OF_THE_OUTPUT or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        values = context.params[parameter.name or ""]
        if isinstance(parameter, click.Argument):
            arguments += _texts(values)
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words += [parameter.opts[-1]] if values else []
        else:
            for text in _texts(values):
                words += [parameter.opts[-1], text]
    return shlex.join([*words, *arguments])


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple | list) else [str(value)]
