"""chatter: two containers ping each other twenty times a second, until something happens

Builds  one and two on host A's default bridge.
Sends   one to two, echo requests of 1,400 octets for ten seconds; then, with CHATTER_FAILS=1, a command that fails.
Listens at eth0 of both containers, docker0, and the veth of one.
"""

import os

from capnet.scenario.session import Session

NEEDS_PEER = False
NEEDS_KERNEL: tuple[str, ...] = ()
NEIGHBOUR = "bridge"


def run(session: Session) -> None:
    a = session.a
    one, two = a.container("one"), a.container("two")
    with session.listening(
        one.interface("eth0"), one.veth("eth0"), a.interface("docker0", "the bridge"), two.interface("eth0")
    ):
        session.say("chatter begins")
        is_short = os.environ.get("CHATTER_FAILS") == "1"
        one.run(f"ping -q -s 1400 -i 0.05 -c {40 if is_short else 200} {two.address()}")
        if is_short:
            one.run("exit 7")
