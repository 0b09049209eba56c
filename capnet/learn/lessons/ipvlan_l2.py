"""ipvlan-l2: containers on the host's network with the parent's one MAC."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonRecording

OWN_MAC = "02:42:c0:a8:6f:0a"  # what macvlan would have given it


def _mac(recording: LessonRecording) -> Question:
    address, b, parent = recording.address("one"), recording.address("B"), recording.mac("A")
    at = [recording.frame(point, "icmp", address, b, icmp_type=8) for point in ("A/one/eth0", "B/ens33")]
    return question(
        ask=Text(
            en="The container one ({address}) is an ipvlan child of ens33 on host A, in mode L2. It pings host B. "
            "Which source MAC does B see?",
            zh="容器 one（{address}）是主机 A 上 ens33 的 ipvlan 子接口，L2 模式。"
            "它 ping 主机 B。B 看到的源 MAC 是什么？",
        ),
        choices=(
            Choice(OWN_MAC, Text(en="{own}, one of its own", zh="{own}，它自己的 MAC")),
            Choice(parent, Text(en="{parent}, that of A's NIC", zh="{parent}，A 的网卡（父接口）的 MAC")),
        ),
        truth=recording.mac("one"),
        source=truth_sources.INSPECT,
        before=Shown(at[0], (("eth.src", 0), ("ip.src", 0))),
        after=Shown(at[1], (("eth.src", 0), ("ip.src", 0))),
        because=Text(
            en="ipvlan tells its children apart by their IP addresses, and all send with the parent's MAC. "
            "It works on switches and clouds that allow one MAC per port.",
            zh="ipvlan 按 IP 地址区分子接口，所有子接口都用父接口的 MAC 发送。"
            "一个端口只允许一个 MAC 的交换机或云网络也能用。",
        ),
        address=address,
        own=OWN_MAC,
        parent=parent,
        said=f"one {recording.mac('one')}",
    )


def _reply(recording: LessonRecording) -> Question:
    first, second, b = recording.address("one"), recording.address("two"), recording.address("B")
    frame = recording.frame("A/ens33", "icmp", b, second, icmp_type=8)
    return question(
        ask=Text(
            en="B pings {second}, and frames for {first} and {second} have the same destination MAC. "
            "By what does host A choose the container?",
            zh="B ping {second}。发给 {first} 和 {second} 的帧，目的 MAC 相同。主机 A 靠什么选择容器？",
        ),
        choices=(
            Choice("eth.dst", Text(en="by the destination MAC", zh="目的 MAC")),
            Choice("ip.dst", Text(en="by the destination address", zh="目的 IP 地址")),
            Choice("conntrack", Text(en="by an entry of conntrack", zh="conntrack 的记录")),
        ),
        truth="ip.dst" if recording.mac("one") == recording.mac("two") else "eth.dst",
        source=truth_sources.INSPECT,
        after=Shown(frame, (("eth.dst", 0), ("ip.dst", 0))),
        because=Text(
            en="All have the same MAC, so the MAC cannot decide. ipvlan looks up the IP address. "
            "Nothing is translated.",
            zh="它们的 MAC 都一样，无法用来区分。ipvlan 查的是 IP 地址。没有任何地址转换。",
        ),
        first=first,
        second=second,
        said=f"one {recording.mac('one')}, two {recording.mac('two')}",
    )


def _between(recording: LessonRecording) -> Question:
    first, second = recording.address("one"), recording.address("two")
    points = [point.name for point in recording.topology.points]
    counts = {point: recording.count(point, "icmp", first, second, icmp_type=8) for point in points}
    return question(
        ask=Text(
            en="one pings two. With macvlan, a capture on the parent shows such a ping. Does it with ipvlan?",
            zh="one ping two。用 macvlan 时，父接口上的抓包能看到这样的 ping。用 ipvlan 时能看到吗？",
        ),
        choices=(
            Choice("yes", Text(en="yes, on A/ens33", zh="能，在 A/ens33 上")),
            Choice("no", Text(en="no, at the containers' own interfaces alone", zh="不能，只在容器自己的接口上")),
        ),
        truth="yes" if counts["A/ens33"] else "no",
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="The driver hands the packet over before it reaches the parent. "
            "To see it, capture inside a container: `capnet capture one`.",
            zh="驱动在包到达父接口之前就转交了。要看到它，就在容器里抓包：`capnet capture one`。",
        ),
    )


LESSON = Lesson(
    name="ipvlan-l2",
    chapter=Text(en="IPvlan, mode L2: many addresses, one MAC", zh="七、IPvlan 模型，L2 模式：狡兔三窟 Plus"),
    story=Text(
        en="The containers one and two are ipvlan children of ens33 on host A, in the subnet of the hosts.",
        zh="容器 one 和 two 是主机 A 上 ens33 的 ipvlan 子接口，与主机在同一个子网。",
    ),
    questions=(_mac, _reply, _between),
    next_command="capnet analyze {file}",
)
