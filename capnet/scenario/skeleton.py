"""The file with which a new scenario begins: a scenario that runs, to be changed into the one that is wanted."""

from __future__ import annotations

import re
from pathlib import Path

from capnet.errors import UsageError

RESERVED = ("all", "clean", "fault", "list", "new")  # commands of `capnet scenario`
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

NEXT_STEPS = """\
Next, in this order:
1. Edit {path}: what it builds and sends, where it captures, and the checks.
   First line of its docstring: what the network does to a packet.
2. Run it: sudo capnet scenario {name} --lab
3. When its checks pass, record the golden: sudo capnet scenario {name} --lab --output pcaps
   It must stay below 300 KB, and its packets must not pass as {neighbour}'s.
4. Add its line to pcaps/README.md, and its row to the table in README.md.
5. Store tshark's view of it, and make docs/scenarios.md again:
   python -m tests.wire.expected {name} && python -m tests.generated
6. Run: python -m pytest tests/scenario tests/wire tests/generated
"""

NEIGHBOUR = "bridge-user-defined"

_SKELETON = '''\
"""{name}: two containers on docker0 talk to each other

                 host A
    ┌──────────────────────────────────────────────┐
    │   web  httpd :80           bbox              │
    │   eth0 172.17.0.2          eth0 172.17.0.3   │
    │     └─────── docker0 ────────┘               │
    │                                              │
    │                  ens33      nothing of it    │
    └──────────────────────────────────────────────┘

Builds  web (a web server) and bbox on host A's default bridge.
Sends   bbox to web by HTTP: switched on docker0, nothing is rewritten.
Listens at eth0 of both containers, docker0, and ens33 of host A.
"""

from capnet.scenario.checks.observed import Comparison, Observed
from capnet.scenario.session import Session, get, web_server

NEEDS_PEER = False  # True: the scenario uses session.b, a second host
CONTAINERS = ("web", "bbox")  # what it takes on its hosts; also NETWORKS, PORTS, PEER_PORTS, SUBNETS
NEEDS_KERNEL: tuple[str, ...] = ()  # of capnet.record.find.kernel_features.FEATURES, such as "vxlan"
NEIGHBOUR = "{neighbour}"  # a scenario whose packets fail at least two of the checks below


def run(session: Session) -> None:
    a = session.a
    web = a.container("web", web_server(1000))
    bbox = a.container("bbox")
    web.wait_until(get("http://127.0.0.1/"))

    with session.listening(
        web.interface("eth0", "eth0 inside web"),
        bbox.interface("eth0", "eth0 inside bbox"),
        a.interface("docker0", "the bridge of host A"),
        a.parent("NIC of host A"),
    ):
        session.say("bbox to web: HTTP")
        bbox.run(get(f"http://{{web.address()}}/"))


def check_model(observed: Observed) -> Comparison:
    """the model is bridge"""
    return observed.model(), "bridge"


def check_unchanged(observed: Observed) -> Comparison:
    """bbox reaches web across docker0, unchanged"""
    a = observed.a
    path = observed.path("tcp", observed.ip("bbox"), observed.ip("web"), dport=80)
    return path, [f"{{a}}/bbox/eth0", f"{{a}}/docker0", f"{{a}}/web/eth0"]


def check_no_nat(observed: Observed) -> Comparison:
    """nothing is rewritten"""
    return observed.translations(), set()


def check_nothing_leaves(observed: Observed) -> Comparison:
    """nothing of it leaves host A"""
    parent = observed.parent(observed.a)
    return [observed.flow_ends(parent, about=observed.ip(name)) for name in ("web", "bbox")], [set()] * 2
'''


def write_skeleton(name: str, folder: Path) -> Path:
    """Writes `folder`/NAME.py and returns its path. UsageError if the name will not do, or the file exists."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r}: a scenario's name is of lower-case words and digits, such as bridge-internal")
    if name in RESERVED:
        raise UsageError(f"{name}: `capnet scenario {name}` is a command; choose another name")
    path = folder / f"{name.replace('-', '_')}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_SKELETON.format(name=name, neighbour=NEIGHBOUR))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already; choose another name") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path
