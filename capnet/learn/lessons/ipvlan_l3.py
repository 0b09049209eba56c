"""ipvlan-l3: subnets of their own behind the parent, routed without ARP."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonRecording


def _arp(recording: LessonRecording) -> Question:
    point = "A/one/eth0"
    counts = {f"{point}, ARP": recording.count(point, "arp"), f"{point}, ICMP": recording.count(point, "icmp")}
    return question(
        ask=Text(
            en="one ({first}) pings two ({second}), then host B. How many ARP requests does one send?",
            zh="one（{first}）先 ping two（{second}），再 ping 主机 B。one 一共发了几个 ARP 请求？",
        ),
        choices=(
            Choice("2", Text(en="2, one for each destination", zh="2 个，每个目的地址一个")),
            Choice("1", Text(en="1, for its gateway", zh="1 个，问网关")),
            Choice("0", Text(en="0", zh="0 个")),
        ),
        truth=str(counts[f"{point}, ARP"]),
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="In mode L3 the interface has the flag NOARP. "
            "The driver routes by IP address and needs no neighbour's MAC.",
            zh="L3 模式下接口带有 NOARP 标志。驱动按 IP 地址路由，不需要邻居的 MAC。",
        ),
        first=recording.address("one"),
        second=recording.address("two"),
    )


def _ttl(recording: LessonRecording) -> Question:
    ends = recording.address("one"), recording.address("two")
    at = [recording.frame(point, "icmp", *ends, icmp_type=8) for point in ("A/one/eth0", "A/two/eth0")]
    return question(
        ask=Text(
            en="one is in {near}, two in {far}: two subnets. one sends with TTL 64. Which TTL does two see?",
            zh="one 在 {near}，two 在 {far}：两个子网。one 发出时 TTL 是 64。two 看到的 TTL 是多少？",
        ),
        choices=(
            Choice(
                "63", Text(en="63: from subnet to subnet a packet is routed", zh="63：从一个子网到另一个子网要经过路由")
            ),
            Choice("64", Text(en="64", zh="64")),
            Choice("62", Text(en="62: once out, once in", zh="62：出去一次，进来一次")),
        ),
        truth=at[1].mark("ip.ttl").value,
        source=truth_sources.FRAME,
        before=Shown(at[0], (("ip.ttl", 0),)),
        after=Shown(at[1], (("ip.ttl", 0),)),
        because=Text(
            en="The driver hands the packet over without taking 1 off the TTL. "
            "So a TTL that did not change does not prove that nothing was routed.",
            zh="驱动直接转交，不减 TTL。所以 TTL 不变并不能证明没有路由。",
        ),
        near=recording.network("ipvlanA").subnets[0],
        far=recording.network("ipvlanA").subnets[1],
    )


def _way_back(recording: LessonRecording) -> Question:
    address, b = recording.address("one"), recording.address("B")
    request = recording.frame("B/ens33", "icmp", address, b, icmp_type=8)
    ping = request.rows[0]["icmp_id"]
    counts = {
        f"{point}, {words}": recording.count(point, "icmp", *ends, icmp_type=kind, icmp_id=ping)
        for point, words, ends, kind in (
            ("B/ens33", "echo request", (address, b), 8),
            ("B/ens33", "echo reply", (b, address), 0),
            ("A/one/eth0", "echo reply", (b, address), 0),
        )
    }
    return question(
        ask=Text(
            en="one pings host B, which has no route to {near}. What happens?",
            zh="one ping 主机 B，而 B 没有到 {near} 的路由。结果怎样？",
        ),
        choices=(
            Choice("no-request", Text(en="the request does not reach B", zh="请求到不了 B")),
            Choice(
                "no-reply", Text(en="B gets the request; its reply does not reach one", zh="B 收到请求，应答到不了 one")
            ),
            Choice("reply", Text(en="one gets the reply", zh="one 收到应答")),
        ),
        truth="no-request"
        if not counts["B/ens33, echo request"]
        else "reply"
        if counts["A/one/eth0, echo reply"]
        else "no-reply",
        source=truth_sources.COUNTED,
        before=Shown(recording.frame("A/one/eth0", "icmp", address, b, icmp_type=8), (("ip.src", 0),)),
        after=Shown(
            recording.frame("B/ens33", "icmp", b, address, icmp_type=0, icmp_id=ping),
            (("eth.dst", 0), ("ip.dst", 0)),
            is_same=False,
        ),
        counts=counts,
        because=Text(
            en="B sends its reply to its default gateway, whose MAC is marked, and the gateway does not know {near}. "
            "`ip route add {near} via {a}` on B, or on the router, is the way back.",
            zh="B 把应答发给默认网关（标出的是网关的 MAC），而网关不认识 {near}。"
            "在 B 或路由器上执行 `ip route add {near} via {a}`，应答就有路可走。",
        ),
        near=recording.network("ipvlanA").subnets[0],
        a=recording.address("A"),
    )


LESSON = Lesson(
    name="ipvlan-l3",
    chapter=Text(en="IPvlan, mode L3: subnets behind the host", zh="七、IPvlan 模型，L3 模式"),
    story=Text(
        en="The containers one and two are ipvlan children of ens33 on host A, each in a subnet of its own.",
        zh="容器 one 和 two 是主机 A 上 ens33 的 ipvlan 子接口，各在一个子网里。",
    ),
    questions=(_arp, _ttl, _way_back),
    next_command="capnet explain no-return-route",
)
