"""What a run captured is kept when the run fails: as its bundle, or where that cannot be written, as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from capnet import __version__
from capnet.errors import CapnetError, EnvironmentLacks
from capnet.record.bundle import leftover
from capnet.record.remote.docker_host import DockerHost
from capnet.record.taps.capture_process import CaptureProcess
from capnet.record.taps.listening import failures
from capnet.scenario.bundle.bundle_writer import RunRecording, write_files
from capnet.scenario.undo import in_words, is_no_answer
from capnet.topology import Topology


@contextlib.contextmanager
def kept(
    path: Path, recording: RunRecording, hosts: Sequence[DockerHost], say: Callable[[str], None]
) -> Iterator[None]:
    """When the block fails, writes what was captured, beside `path` if that exists; the error then says where it is.

    An interrupt stays an interrupt, and `say` is told.
    """
    try:
        yield
    except BaseException as error:  # Ctrl-C too: what was captured until then is kept
        keeping = _keep(path, recording)
        reason = _in_words(error, hosts)
        failed = [sentence for sentence in failures(recording.captures) if sentence not in str(reason)]
        sentences = [*failed, *keeping]
        if isinstance(reason, CapnetError) and (sentences or reason is not error):
            raise type(reason)("; ".join([str(reason), *sentences])) from error
        for sentence in sentences:
            say(sentence)
        raise


def _keep(path: Path, recording: RunRecording) -> list[str]:
    """Writes what was captured, if anything; sentences that say where it is."""
    captures = recording.captures
    for capture in captures:  # an interrupt may have come while they were ended
        capture.request_stop()
        capture.wait()
    packets = sum(capture.counters().packets for capture in captures)
    if not packets:
        leftover.forget(recording.folder)
        return []
    if not leftover.is_noted(recording.folder):  # it is in the bundle already
        return [_sentence(packets, captures, path)]
    path = leftover.free_path(path)
    points = [capture.point.listening_point() for capture in captures]
    topology = recording.topology or Topology(recorded={"capnet": __version__}, points=points)
    try:
        write_files(path, recording, topology)
    except CapnetError as error:
        return [str(error), f"{_sentence(packets, captures, recording.folder)} until `capnet scenario clean`"]
    return [_sentence(packets, captures, path)]


def _sentence(packets: int, captures: Sequence[CaptureProcess], path: Path) -> str:
    points = len(captures)
    return (
        f"{packets:,} packet{'s' * (packets != 1)} captured at {points} point{'s' * (points != 1)} "
        f"{'are' if packets != 1 else 'is'} kept in {path}"
    )


def _in_words(error: BaseException, hosts: Sequence[DockerHost]) -> BaseException:
    """The error in our words; where a daemon does not answer any more, with its host."""
    if is_no_answer(error):
        silent = [f"{host.name} ({host.url})" for host in hosts if not _answers(host)]
        if silent:
            return EnvironmentLacks(f"dockerd of host {' and '.join(silent)} does not answer any more")
    return in_words(error)


def _answers(host: DockerHost) -> bool:
    import docker
    import requests

    try:
        return bool(host.client.ping())
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return False
