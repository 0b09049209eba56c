"""What Docker answers of a swarm that somebody else is dissolving, and what is made of it.

The answers are Docker's own, with its status codes; that they are given in this order is the test's doing: several
`capnet scenario clean` at once meet them by chance (tests/live/test_hosts.py).
"""

from __future__ import annotations

import pytest
from docker.errors import APIError
from requests import Response

from capnet.scenario.docker.removal import leave_swarm, of_manager

NO_SWARM = (503, 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"')
CLOSING = (500, "rpc error: code = Canceled desc = grpc: the client connection is closing")


def refusal(status: int, words: str) -> APIError:
    response = Response()
    response.status_code = status
    return APIError(str(status), response=response, explanation=words)


class Swarm:
    """Gives these answers, one after the other; the last one again and again."""

    def __init__(self, *answers: object, state: str = "active") -> None:
        self._answers = list(answers)
        self._state = state
        self.swarm = self

    def __call__(self) -> object:
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, tuple):
            raise refusal(*answer)
        return answer

    def leave(self, *, force: bool) -> None:
        self()

    def info(self) -> dict[str, dict[str, str]]:
        return {"Swarm": {"LocalNodeState": self._state}}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((["node"],), ["node"]),
        ((NO_SWARM,), None),
        ((CLOSING, CLOSING, NO_SWARM), None),
        ((CLOSING, ["node"]), ["node"]),
    ],
)
def test_former_swarm_manager_manages_nothing(answers: tuple[object, ...], expected: object) -> None:
    assert of_manager(Swarm(*answers)) == expected


def test_lasting_refusal_is_an_error_in_dockers_words() -> None:
    with pytest.raises(APIError, match="client connection is closing"):
        of_manager(Swarm(CLOSING), within=0)
    with pytest.raises(APIError, match="no such thing"):
        of_manager(Swarm((404, "no such thing")))


def test_membership_given_up_elsewhere_is_no_error() -> None:
    leave_swarm(Swarm(CLOSING, None))
    leave_swarm(Swarm(CLOSING, state="inactive"))
