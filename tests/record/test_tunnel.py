"""What the connections of ssh are known by on the wire.

Truth: ssh_config(5) says what `ssh -G` prints, ssh(1) what SSH_CONNECTION holds. A program of the test's own answers as
they say; tests/live/test_ssh.py has a real one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record import tunnel

SSH = ("ssh", "-o", "BatchMode=yes", "-p", "2222", "--", "root@far")


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what the far end prints; none: it cannot be reached."""
    program = tmp_path / "ssh"
    program.write_text(
        "#!/bin/sh\n"
        f'for last; do :; done; [ "$1" = -G ] && {{ echo "user root"; echo "port 2222"; exit; }}\n'
        f'[ "$last" = \'echo "$SSH_CONNECTION"\' ] && cat {tmp_path}/answer 2>/dev/null && exit\n'
        "echo 'kex_exchange_identification: Connection reset' >&2; exit 255\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "answer"


def test_both_ends_of_a_forwarded_port_are_told(answer: Path) -> None:
    answer.write_text("Welcome\n10.0.0.7 51234 10.0.0.9 22\n")
    assert tunnel.ports(SSH) == {2222, 22}


def test_an_address_may_be_of_either_kind(answer: Path) -> None:
    answer.write_text("fe80::1%eth0 51234 fe80::2%eth0 2222\n")
    assert tunnel.ports(SSH) == {2222}


def test_a_far_end_that_is_not_reached_says_why(answer: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="ssh root@far: kex_exchange_identification"):
        tunnel.ports(SSH)
