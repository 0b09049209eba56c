"""none: a container without a network."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonRecording

LO = "A/bbox/lo"


def _interfaces(recording: LessonRecording) -> Question:
    container = next(each for each in recording.topology.containers if each.name == "bbox")
    return question(
        ask=Text(
            en="bbox was started with --network none. How many interfaces did Docker give it, besides lo?",
            zh="bbox 用 --network none 启动。除了 lo 之外，Docker 给了它几张网卡？",
        ),
        choices=(
            Choice("0", Text(en="none", zh="没有")),
            Choice("1", Text(en="one, eth0 on docker0", zh="一张，接在 docker0 上的 eth0")),
            Choice("2", Text(en="two, eth0 and ens33", zh="两张，eth0 和 ens33")),
        ),
        truth=str(len(container.endpoints)),
        source=truth_sources.INSPECT,
        because=Text(
            en="Docker makes a network namespace for the container and puts nothing into it. A new namespace has lo.",
            zh="Docker 为容器新建一个网络命名空间，不再放任何网卡进去。新的命名空间自带 lo。",
        ),
        said=f"network mode {container.network_mode}, {len(container.endpoints)} endpoints",
    )


def _where(recording: LessonRecording) -> Question:
    points = [point.name for point in recording.topology.points]
    counts = {point: recording.count(point, "icmp") for point in points}
    seen = "+".join(point for point in points if counts[point])
    return question(
        ask=Text(
            en="bbox pings 127.0.0.1. Packets are captured on lo of bbox, and on lo, docker0 and ens33 of host A. "
            "Where do you see the ping?",
            zh="bbox ping 127.0.0.1。抓包点有 bbox 的 lo，以及主机 A 的 lo、docker0 和 ens33。在哪里能看到这个 ping？",
        ),
        choices=(
            Choice(f"{LO}+A/lo", Text(en="on lo of bbox and on lo of host A", zh="bbox 的 lo 和主机 A 的 lo")),
            Choice(f"{LO}+A/docker0", Text(en="on lo of bbox and on docker0", zh="bbox 的 lo 和 docker0")),
            Choice(LO, Text(en="on lo of bbox alone", zh="只在 bbox 的 lo 上")),
        ),
        truth=seen,
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="Each network namespace has a loopback interface of its own. "
            "127.0.0.1 in the container and 127.0.0.1 on the host are two different places.",
            zh="每个网络命名空间都有自己的回环接口。容器里的 127.0.0.1 和主机上的 127.0.0.1 是两个不同的地方。",
        ),
    )


def _mac(recording: LessonRecording) -> Question:
    frame = recording.frame(LO, "icmp")
    docker0 = recording.interface("A", "docker0").mac or ""
    return question(
        ask=Text(
            en="A frame on lo has an Ethernet header as well. Which source MAC stands in it?",
            zh="lo 上的帧也有以太网头。里面的源 MAC 是什么？",
        ),
        choices=(
            Choice(docker0, Text(en="{docker0}, that of docker0", zh="{docker0}，docker0 的 MAC")),
            Choice("00:00:00:00:00:00", Text(en="00:00:00:00:00:00", zh="00:00:00:00:00:00")),
            Choice(
                "02:42:ac:11:00:02",
                Text(en="02:42:ac:11:00:02, one that Docker made", zh="02:42:ac:11:00:02，Docker 生成的 MAC"),
            ),
        ),
        truth=recording.interface("A", "lo").mac or "",
        source=truth_sources.IP,
        after=Shown(frame, (("eth.src", 0),)),
        because=Text(
            en="lo delivers to its own namespace and resolves no address, so it needs no MAC. "
            "A capture with zero MACs was made on a loopback interface.",
            zh="lo 只在自己的命名空间内投递，不需要解析地址，所以不需要 MAC。MAC 全为零的抓包来自回环接口。",
        ),
        docker0=docker0,
        said="link/loopback 00:00:00:00:00:00",
    )


LESSON = Lesson(
    name="none",
    chapter=Text(en="None: the cable is pulled", zh="一、None 模型：拔网线"),
    story=Text(
        en="The container bbox has no network. It sends to itself.",
        zh="容器 bbox 没有网络，它只给自己发包。",
    ),
    questions=(_interfaces, _where, _mac),
    next_command="capnet analyze {file}",
)
