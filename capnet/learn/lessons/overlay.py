"""overlay: a swarm network between two hosts, in VXLAN."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonFrame, LessonRecording

OUTER, INNER = 0, 1  # depth


def _ping(recording: LessonRecording, point: str) -> LessonFrame:
    return recording.frame(point, "icmp", recording.address("left"), recording.address("right"), icmp_type=8)


def _outer_address(recording: LessonRecording) -> Question:
    left, a = recording.address("left"), recording.address("A")
    gateway_leg = next(each for each in recording.topology.containers if each.name == "left").endpoints[1]
    leg = gateway_leg.ips[0]
    return question(
        ask=Text(
            en="left ({left}, on host A) pings right ({right}, on host B). "
            "Which source address stands in the first IP header on the wire?",
            zh="left（{left}，在主机 A 上）ping right（{right}，在主机 B 上）。线路上第一个 IP 头的源地址是什么？",
        ),
        choices=(
            Choice(left, Text(en="{left}, that of left", zh="{left}，left 的地址")),
            Choice(a, Text(en="{a}, that of host A", zh="{a}，主机 A 的地址")),
            Choice(
                leg, Text(en="{leg}, that of left on docker_gwbridge", zh="{leg}，left 在 docker_gwbridge 上的地址")
            ),
        ),
        truth=a,
        source=truth_sources.IP,
        before=Shown(_ping(recording, "A/left/eth0"), (("ip.src", OUTER),)),
        after=Shown(_ping(recording, "B/ens33"), (("ip.src", OUTER), ("ip.src", INNER))),
        because=Text(
            en="Host A puts the whole frame into a UDP packet of its own (VXLAN). "
            "The network between the hosts sees hosts only; the second IP header is the one that left wrote.",
            zh="主机 A 把整个帧装进自己的 UDP 包里（VXLAN 封装）。"
            "主机之间的网络只看到主机；第二个 IP 头才是 left 写的。",
        ),
        left=left,
        right=recording.address("right"),
        a=a,
        leg=leg,
        said=f"ens33 {a}",
    )


def _vni(recording: LessonRecording) -> Question:
    vni = recording.network("vxlanA").vni
    return question(
        ask=Text(
            en="Several overlay networks may cross the same wire. Which number in the VXLAN header says that this "
            "frame belongs to vxlanA?",
            zh="同一条线路上可以有多个 overlay 网络。VXLAN 头里的哪个数字说明这一帧属于 vxlanA？",
        ),
        choices=(
            Choice("4789", Text(en="4789", zh="4789")),
            Choice("4096", Text(en="4096", zh="4096")),
            Choice(str(vni), Text(en="{vni}", zh="{vni}")),
        ),
        truth=str(vni),
        source=truth_sources.INSPECT,
        after=Shown(_ping(recording, "B/ens33"), (("udp.dstport", OUTER), ("vxlan.vni", OUTER))),
        because=Text(
            en="It is the VNI. 4789 is the UDP port of VXLAN. Docker counts VNIs from 4096, which is the network "
            "ingress; vxlanA was made next.",
            zh="这个数字是 VNI。4789 是 VXLAN 的 UDP 端口。"
            "Docker 的 VNI 从 4096 开始，4096 是 ingress 网络；接着创建的是 vxlanA。",
        ),
        vni=vni,
        said=f"com.docker.network.driver.overlay.vxlanid_list {vni}",
    )


def _ttl(recording: LessonRecording) -> Question:
    after = _ping(recording, "B/right/eth0")
    return question(
        ask=Text(
            en="left sent its ping with TTL 64, to another host. Which TTL does right see?",
            zh="left 发出的 ping 的 TTL 是 64，而且到了另一台主机。right 看到的 TTL 是多少？",
        ),
        choices=(
            Choice(
                "64", Text(en="64: to left and right it is one switch", zh="64：对 left 和 right 来说就是一台交换机")
            ),
            Choice("63", Text(en="63: one router, the tunnel", zh="63：隧道算一个路由器")),
            Choice("62", Text(en="62: host A and host B route", zh="62：主机 A 和主机 B 各做一次路由")),
        ),
        truth=after.mark("ip.ttl").value,
        source=truth_sources.FRAME,
        before=Shown(_ping(recording, "A/left/eth0"), (("ip.ttl", 0),)),
        after=Shown(after, (("ip.ttl", 0),)),
        because=Text(
            en="VXLAN carries Ethernet frames. Hosts write the outer headers only; the frame inside is unchanged.",
            zh="VXLAN 传送的是以太网帧。主机只改外层的头；left 写的内容原样到达。",
        ),
    )


def _length(recording: LessonRecording) -> Question:
    before, after = _ping(recording, "A/left/eth0"), _ping(recording, "B/ens33")
    length = len(before.raw)
    return question(
        ask=Text(
            en="The frame of the ping has {length} bytes at left. How many does it have on the wire?",
            zh="这个 ping 的帧在 left 处是 {length} 字节。在线路上是多少字节？",
        ),
        choices=(
            Choice(str(length), Text(en="{length}: nothing is added", zh="{length}：什么也没有加")),
            Choice(str(length + 8), Text(en="{vxlan}: 8 more, the VXLAN header", zh="{vxlan}：多 8 字节，VXLAN 头")),
            Choice(
                str(length + 50),
                Text(
                    en="{all}: 50 more, Ethernet 14, IP 20, UDP 8, VXLAN 8",
                    zh="{all}：多 50 字节，以太网 14、IP 20、UDP 8、VXLAN 8",
                ),
            ),
        ),
        truth=str(after.rows[0]["wirelen"]),
        source=truth_sources.FRAME,
        after=Shown(after, (("ip.src", OUTER), ("vxlan.vni", OUTER), ("ip.src", INNER))),
        because=Text(
            en="That is why an overlay network has MTU 1450 where the wire has 1500. "
            "With 1500 on both, large packets are lost and small ones are not.",
            zh="所以线路的 MTU 是 1500 时，overlay 网络的 MTU 是 1450。如果两边都是 1500，大包会丢，小包不会。",
        ),
        length=length,
        vxlan=length + 8,
        all=length + 50,
    )


LESSON = Lesson(
    name="overlay",
    chapter=Text(en="Overlay: a frame inside a packet", zh="五、Overlay 模型：套娃"),
    story=Text(
        en="Hosts A and B are a swarm with the overlay network vxlanA. left runs on A, right on B.",
        zh="主机 A 和 B 组成 swarm，有一个 overlay 网络 vxlanA。left 在 A 上运行，right 在 B 上运行。",
    ),
    questions=(_outer_address, _vni, _ttl, _length),
    next_command="capnet trace {file} --flow icmp",
)
