"""Witnesses of a recording: what each network namespace's rules, counters and settings are before and after it.

Input: the namespaces that are asked. Output: `Witnesses`. Method: one shell per namespace and moment runs the
programs that are there and reads files of /proc; some 20 ms. Limits: MAX_OUTPUT_BYTES of each text; a namespace that
cannot be asked is said, and has no snapshot.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from threading import Lock

from capnet import __version__
from capnet.errors import EnvironmentLacks
from capnet.record.find.capture_points import CapturePoint
from capnet.record.kernel.asked_namespaces import MAX_NAMESPACES, AskedNamespace, asked_namespaces
from capnet.record.kernel.why import AskingWhy
from capnet.record.remote.shell import NamespaceGone
from capnet.witnesses import NamespaceWitness, Snapshot, Witnesses

MAX_OUTPUT_BYTES = 1 << 20  # of one text: the rules of some thousand services
_THREADS = 4  # shells that run side by side
_WITHIN = 10.0  # seconds for one namespace

# Prints each text behind a line with a mark of this call, which no text can know. A program that is missing prints
# nothing. `head` bounds what a machine with a hundred thousand rules prints; one byte more than is kept shows the cut.
_ASK = r"""
mark=$1 most=$2
say() { printf '\n%s %s\n' "$mark" "$1"; }
run() { command -v "$1" >/dev/null 2>&1 || return 0; say "$*"; "$@" 2>/dev/null | head -c "$most"; }
file() { [ -r "$1" ] || return 0; say "$1"; head -c "$most" "$1"; }
say "date +%s%N"; date +%s%N
run iptables-save -c
run ip6tables-save -c
has_names() { grep -q . "$1" 2>/dev/null; }
if has_names /proc/net/ip_tables_names; then run iptables-legacy-save -c; fi
if has_names /proc/net/ip6_tables_names; then run ip6tables-legacy-save -c; fi
run ebtables-nft-save -c
run nft -j list ruleset
run conntrack -L -o extended
run conntrack -S
run ip -s -j address
run ip -j route show table all type blackhole
run ip -6 -j route show table all type blackhole
say "ip -s -j ntable"
for table in arp_cache ndisc_cache; do ip -s -j ntable show name $table 2>/dev/null | sed 's/},.*/}]/'; done
run tc -s -j qdisc
run ss -ltn
run ss -lun
if [ -r /proc/net/ip_vs ]; then run ipvsadm --stats -n -L; fi
file /proc/net/snmp
file /proc/net/netstat
file /proc/net/snmp6
file /proc/net/xfrm_stat
say sysctl
grep -sH '' net/ipv4/ip_forward net/ipv6/conf/all/forwarding net/ipv4/conf/*/rp_filter \
  net/bridge/bridge-nf-call-* net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_count | head -c "$most"
"""


class Witnessing:
    """The witnesses of places, which are asked when this object is made, and when it is to finish.

    `why` is told which places and points come and go.
    """

    def __init__(
        self, places: Sequence[AskedNamespace], say: Callable[[str], None], why: AskingWhy | None = None
    ) -> None:
        self._places, self._say, self._why = list(places), say, why
        self._turning, self._is_finished = Lock(), False
        self.witnesses = Witnesses({"capnet": __version__})
        self._ask_before(places)

    def add(self, points: Sequence[CapturePoint]) -> None:
        """Points that are captured from now on; a namespace that is new with them is asked now."""
        number_of = {place.key: number for number, place in enumerate(self._places)}
        places = asked_namespaces(points)
        present = [place for place in places if place.key in number_of]
        for place in present:
            self.witnesses.namespaces[number_of[place.key]].points += place.point_names
        others = [place for place in places if place.key not in number_of]
        others = others[: max(0, MAX_NAMESPACES - len(self._places))]
        self._places += others
        self._ask_before(others)
        if self._why:
            self._why.watch([*present, *others])

    def leave(self, point: CapturePoint) -> None:
        """This point has ended."""
        if self._why:
            self._why.leave(point)

    def turn(self) -> Witnesses | None:
        """Asks all of them; the witnesses since the last turn. The next ones begin now. None when it has finished."""
        with self._turning:
            if self._is_finished:
                return None
            places, namespaces = self._places, list(self.witnesses.namespaces)  # others may be added meanwhile
            moments = _snapshots(places[: len(namespaces)], self._say)
            done = [
                replace(each, points=[*each.points], after=now) for each, now in zip(namespaces, moments, strict=True)
            ]
            for namespace, now in zip(namespaces, moments, strict=True):
                namespace.before = now
            return Witnesses(self.witnesses.recorded, done)

    def finish(self) -> None:
        """Asks all of them again."""
        with self._turning:
            self._is_finished = True
            for namespace, after in zip(self.witnesses.namespaces, _snapshots(self._places, self._say), strict=True):
                namespace.after = after

    def keep_traces(self) -> None:
        """Adds what `why` has seen, which has ended."""
        if self._why:
            for place, namespace in zip(self._places, self.witnesses.namespaces, strict=True):
                namespace.trace, namespace.lost = self._why.rules_at(place)
            self.witnesses.drops = self._why.drops()

    def _ask_before(self, places: Sequence[AskedNamespace]) -> None:
        self.witnesses.namespaces += [
            NamespaceWitness(place.name, place.point_names, before)
            for place, before in zip(places, _snapshots(places, self._say), strict=True)
        ]


@contextmanager
def witnessing(
    places: Sequence[AskedNamespace], say: Callable[[str], None], why: AskingWhy | None = None
) -> Iterator[Witnessing]:
    """Asks all places when the block begins and when it has ended well; each of `namespaces` has both moments then.

    `why` watches in between; what it has seen is in the witnesses then.
    """
    witnessed = Witnessing(places, say, why)
    try:
        with why or nullcontext():
            if why:
                why.watch(places)
            yield witnessed
        witnessed.finish()
    finally:  # what was interrupted has what was seen until then
        witnessed.keep_traces()


def _snapshots(places: Sequence[AskedNamespace], say: Callable[[str], None]) -> list[Snapshot | None]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda place: _snapshot(place, say), places))


def _snapshot(place: AskedNamespace, say: Callable[[str], None]) -> Snapshot | None:
    mark = secrets.token_hex(16)
    command = ["sh", "-c", f"cd /proc/sys\n{_ASK}", "sh", mark, str(MAX_OUTPUT_BYTES + 1)]
    try:
        printed = place.shell.run(command, netns=place.netns, timeout=_WITHIN, title="ask the kernel")
    except NamespaceGone as error:
        if place.netns == place.shell.host_netns:  # of others it was said that their points have ended
            say(f"{place.name}: connections, rules and counters of the end are not kept: {error}")
        return None
    except EnvironmentLacks as error:
        say(f"{place.name}: rules and counters are not kept: {error}")
        return None
    return parse(printed, mark)


def parse(printed: str, mark: str) -> Snapshot:
    """The snapshot in what the shell printed."""
    outputs: dict[str, str] = {}
    for part in printed.split(f"\n{mark} ")[1:]:
        name, _, text = part.partition("\n")
        outputs[name] = text
    digits = outputs.pop("date +%s%N", "").strip()
    cut = [name for name, text in outputs.items() if len(text.encode()) > MAX_OUTPUT_BYTES]
    for name in cut:
        outputs[name] = outputs[name][:MAX_OUTPUT_BYTES].rpartition("\n")[0]
    return Snapshot(
        time=int(digits) if digits.isdecimal() and len(digits) > 18 else None,
        outputs={name: _PRUNED.get(name, str)(text).rstrip("\n") for name, text in outputs.items() if text.strip()},
        cut=cut,
    )


def _without_zeros(text: str) -> str:
    """Pairs of lines `TcpExt: name name`, `TcpExt: 1 0`, without the counters that are 0: most of some four hundred."""
    lines = [line.split() for line in text.splitlines()]
    kept = []
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        pairs = [pair for pair in zip(names, values, strict=False) if pair[1] != "0"]
        kept += [" ".join(column) for column in zip(*pairs, strict=True)]
    return "\n".join(kept)


def _lines_without_zero(text: str) -> str:
    """Lines `Ip6InReceives  1` without those of a 0."""
    return "\n".join(line for line in text.splitlines() if line.split()[1:] != ["0"])


_PRUNED = {
    "/proc/net/snmp": _without_zeros,
    "/proc/net/netstat": _without_zeros,
    "/proc/net/snmp6": _lines_without_zero,
    "/proc/net/xfrm_stat": _lines_without_zero,
}
