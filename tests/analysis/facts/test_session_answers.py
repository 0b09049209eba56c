"""Answers to a flow beside plain replies: a reset in its session, and the time after which a late one came."""

from __future__ import annotations

import pytest

from capnet.analysis.engine import analyze
from tests.conftest import PROJECT

FAULTS = PROJECT / "pcaps" / "faults"


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("reset-in-session", "session-reset", "TTL 64"),
        ("dns-slow", "reply", "1.7 s"),
        ("ecn-blocked", "reply", "1.0 s"),
    ],
)
def test_answer_of_a_session_is_one_of_its_path(fault: str, kind: str, says: str) -> None:
    """What the healthy twin's paths have not: its replies come at once."""

    def answers(capture: str) -> list[tuple[str, str | None, str | None]]:
        paths = analyze(FAULTS / f"{capture}.pcapng").paths
        return [(answer.kind, answer.from_, answer.says) for path in paths for answer in path.answers]

    sender = "10.9.0.5" if fault == "ecn-blocked" else "192.168.111.129"
    assert (kind, sender, says) in answers(fault)
    assert not [answer for answer in answers(f"{fault}.healthy") if answer[0] == kind and answer[2]]
