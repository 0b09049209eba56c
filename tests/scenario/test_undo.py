"""What is said when a scenario fails, and taking back what it made fails too: the first error first."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.scenario.undo import Undo, in_words

# Docker's own words, of a container that a swarm did not attach in time, and of leaving the swarm after that.
ATTACH = "attaching to network failed, make sure your network options are correct: context deadline exceeded"
LEAVE = "rpc error: code = Canceled desc = grpc: the client connection is closing"


def refuse(words: str) -> None:
    raise APIError("500 Server Error", explanation=words)


def test_undo_error_is_added_to_the_first_error() -> None:
    done: list[str] = []
    with pytest.raises(ScenarioFailed) as raised, Undo(done.append) as undo:
        undo.callback(done.append, "the first made goes last")
        undo.callback(refuse, LEAVE)
        refuse(ATTACH)
    assert str(raised.value) == f"Docker: {ATTACH}; undoing what was made failed too: Docker: {LEAVE}"
    assert done == ["the first made goes last"]


def test_failed_undos_are_named_in_order() -> None:
    with pytest.raises(EnvironmentLacks) as raised, Undo(print) as undo:
        undo.callback(refuse, "second")
        undo.callback(refuse, "first")
        raise EnvironmentLacks("no tcpdump")
    assert str(raised.value) == "no tcpdump; undoing what was made failed too: Docker: first; Docker: second"


def test_error_without_failed_undo_is_unchanged() -> None:
    with pytest.raises(APIError) as raised, Undo(print) as undo:
        undo.callback(print)
        refuse(ATTACH)
    assert str(in_words(raised.value)) == f"Docker: {ATTACH}"


def test_failed_undo_alone_is_an_error() -> None:
    with pytest.raises(APIError, match="500"), Undo(print) as undo:
        undo.callback(refuse, LEAVE)


def test_interrupt_with_failed_undo_stays_an_interrupt() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undo(said.append) as undo:
        undo.callback(refuse, LEAVE)
        raise KeyboardInterrupt
    assert said == [f"undoing what was made failed too: Docker: {LEAVE}"]
