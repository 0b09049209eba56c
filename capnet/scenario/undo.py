"""Undoing all that a scenario made, when it ends: in reverse order, and with the first error reported first."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from capnet.errors import CapnetError, EnvironmentLacks, ScenarioFailed
from capnet.record.remote.shell import wait_or_kill


class Undo(ExitStack):
    """An ExitStack that runs all callbacks, the last one first, also when one fails.

    When the block has failed and a callback fails too, the block's error goes on, and the callback's is added to it:
    often it is only what the first one led to.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say
        self._failures: list[BaseException] = []

    def callback(self, function: Any, /, *args: Any, **options: Any) -> Any:
        """Registers a call, like ExitStack; its failure is kept for the message."""
        return super().callback(self._attempt, function, args, options)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        try:
            return bool(super().__exit__(kind, error, trace))
        except BaseException as failed:
            if error is None or failed is error:
                raise
            words = dict.fromkeys(f"{in_words(failure) or type(failure).__name__}" for failure in self._failures)
            also = "; ".join(words)
            also = f"undoing what was made failed too: {also}"
            first = in_words(error)
            if isinstance(first, CapnetError):
                raise type(first)(f"{first}; {also}") from error
            self._say(also)  # Ctrl-C, or an error of our own
            return False

    def _attempt(self, function: Any, args: Any, options: Any) -> None:
        try:
            function(*args, **options)
        except BaseException as error:
            self._failures.append(error)
            raise


def end_program(process: subprocess.Popen[bytes]) -> None:
    """Ends a program that a `Shell` has started: closing its stdin stops it (record/remote/shell.py)."""
    assert process.stdin is not None
    process.stdin.close()
    if process.stdout is not None:
        process.stdout.close()
    wait_or_kill(process, 60)


@contextmanager
def docker_errors() -> Iterator[None]:
    """Docker's errors, also while something is being undone, as ours."""
    try:
        yield
    except Exception as error:
        if (ours := in_words(error)) is not error:
            raise ours from error
        raise


def in_words(error: BaseException) -> BaseException:
    """What Docker refuses is a scenario that failed, in Docker's words; other errors are as they were."""
    import docker
    import requests

    if is_no_answer(error):
        return EnvironmentLacks("Docker: the daemon does not answer any more")
    if isinstance(error, docker.errors.APIError):
        return ScenarioFailed(f"Docker: {error.explanation or error}")
    if isinstance(error, docker.errors.DockerException | requests.RequestException):
        return EnvironmentLacks(f"Docker: {error}")
    return error


def is_no_answer(error: BaseException) -> bool:
    """Whether Docker's daemon has ended, or ended while it answered: no connection, or one that was cut."""
    import docker
    import requests

    cut = requests.ConnectionError | requests.exceptions.ChunkedEncodingError
    return isinstance(error, cut) or (
        isinstance(error, docker.errors.DockerException) and isinstance(error.__cause__ or error.__context__, cut)
    )
