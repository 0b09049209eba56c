"""macvlan: containers with MACs of their own on the host's NIC."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonRecording


def _mac(recording: LessonRecording) -> Question:
    bbox, b = recording.address("bbox"), recording.address("B")
    own, parent = recording.mac("bbox"), recording.mac("A")
    at = [recording.frame(point, "icmp", bbox, b, icmp_type=8) for point in ("A/bbox/eth0", "B/ens33")]
    return question(
        ask=Text(
            en="bbox ({bbox}) is a macvlan child of ens33 on host A. It pings host B ({b}). "
            "Which source MAC does B see?",
            zh="bbox（{bbox}）是主机 A 上 ens33 的 macvlan 子接口。它 ping 主机 B（{b}）。B 看到的源 MAC 是什么？",
        ),
        choices=(
            Choice(parent, Text(en="{parent}, that of A's NIC", zh="{parent}，A 的网卡（父接口）的 MAC")),
            Choice(own, Text(en="{own}, one of bbox's own", zh="{own}，bbox 自己的 MAC")),
        ),
        truth=own,
        source=truth_sources.INSPECT,
        before=Shown(at[0], (("eth.src", 0), ("ip.src", 0))),
        after=Shown(at[1], (("eth.src", 0), ("ip.src", 0))),
        because=Text(
            en="To B, bbox is one more machine on the wire: its own MAC, its own address, no NAT. "
            "The NIC must take frames for several MACs (promiscuous), and the switch must allow them on one port.",
            zh="在 B 看来，bbox 是线路上的又一台机器：有自己的 MAC、自己的地址，没有 NAT。"
            "网卡必须接收多个 MAC 的帧（混杂模式），交换机也必须允许一个端口上有多个 MAC。",
        ),
        bbox=bbox,
        b=b,
        own=own,
        parent=parent,
        said=f"bbox {own}",
    )


def _between(recording: LessonRecording) -> Question:
    bbox, web = recording.address("bbox"), recording.address("web")
    points = [point.name for point in recording.topology.points]
    counts = {point: recording.count(point, "icmp", bbox, web, icmp_type=8) for point in points}
    return question(
        ask=Text(
            en="bbox pings web, another child of the same NIC. Does the ping cross the wire, so that host B could "
            "capture it?",
            zh="bbox ping 同一张网卡的另一个子接口 web。这个 ping 会经过线路，让主机 B 的网卡抓到吗？",
        ),
        choices=(
            Choice("yes", Text(en="yes, the switch sends it back to A", zh="会，交换机再把它送回 A")),
            Choice("no", Text(en="no, it stays on host A", zh="不会，它留在主机 A 上")),
        ),
        truth="yes" if counts["B/ens33"] else "no",
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="In bridge mode, the one that Docker uses, the parent hands frames from child to child. "
            "A capture on the parent still shows them: it is not a capture of the wire.",
            zh="在 Docker 使用的 bridge 模式下，父接口直接在子接口之间转交帧。"
            "父接口上的抓包也能看到它们，所以父接口的抓包不等于线路。",
        ),
    )


def _own_host(recording: LessonRecording) -> Question:
    a, web = recording.address("A"), recording.address("web")
    connection = recording.connection("A", "icmp", src=a, dst=web)
    counts = {
        f"A/ens33, ARP {words}": recording.count("A/ens33", "arp", *ends, arp_op=operation)
        for words, ends, operation in (("who has", (a, web), 1), ("reply", (web, a), 2))
    }
    return question(
        ask=Text(
            en="Host A ({a}) pings its own child web ({web}). Which answer does it get?",
            zh="主机 A（{a}）ping 自己的子接口 web（{web}）。它得到什么应答？",
        ),
        choices=(
            Choice("answered", Text(en="web answers: it is on the same host", zh="web 应答：它在同一台主机上")),
            Choice("refused", Text(en="the kernel answers: port unreachable", zh="内核应答：端口不可达")),
            Choice("silence", Text(en="none: not even ARP is answered", zh="没有应答：连 ARP 也没有应答")),
        ),
        truth="silence" if "[UNREPLIED]" in connection.line else "answered",
        source=truth_sources.CONNTRACK,
        counts=counts,
        because=Text(
            en="macvlan keeps the parent apart from its children. To reach them, give the host a macvlan interface of "
            "its own. capnet calls this finding macvlan-host-isolation.",
            zh="macvlan 把父接口和子接口隔开。主机要访问子接口，就给主机自己也建一个 macvlan 接口。"
            "capnet 的诊断名是 macvlan-host-isolation。",
        ),
        a=a,
        web=web,
        line=connection.line,
    )


LESSON = Lesson(
    name="macvlan",
    chapter=Text(en="Macvlan: many MACs behind one NIC", zh="六、Macvlan 模型：狡兔三窟"),
    story=Text(
        en="web and bbox are macvlan children of ens33 on host A, in the subnet of the hosts.",
        zh="web 和 bbox 是主机 A 上 ens33 的 macvlan 子接口，与主机在同一个子网。",
    ),
    questions=(_mac, _between, _own_host),
    next_command="capnet explain macvlan-host-isolation",
)
