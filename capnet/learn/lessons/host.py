"""host: a container in the host's own network namespace."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonFrame, LessonRecording


def _ping(recording: LessonRecording, point: str) -> LessonFrame:
    return recording.frame(point, "icmp", recording.address("A"), recording.address("B"), icmp_type=8)


def _mac(recording: LessonRecording) -> Question:
    nic, docker0 = recording.mac("A"), recording.interface("A", "docker0").mac or ""
    return question(
        ask=Text(
            en="web runs with --network host on host A and pings host B. Which source MAC does B see?",
            zh="web 在主机 A 上用 --network host 运行，它 ping 主机 B。B 看到的源 MAC 是什么？",
        ),
        choices=(
            Choice("02:42:c0:a8:6f:80", Text(en="02:42:c0:a8:6f:80, that of web", zh="02:42:c0:a8:6f:80，web 的 MAC")),
            Choice(nic, Text(en="{nic}, that of A's NIC", zh="{nic}，A 的网卡的 MAC")),
            Choice(docker0, Text(en="{docker0}, that of docker0", zh="{docker0}，docker0 的 MAC")),
        ),
        truth=nic,
        source=truth_sources.IP,
        after=Shown(_ping(recording, "B/ens33"), (("eth.src", 0), ("ip.src", 0))),
        because=Text(
            en="web has no interface of its own. It uses the host's NIC, with the host's MAC and address.",
            zh="web 没有自己的网卡。它使用主机的网卡、主机的 MAC 和主机的地址。",
        ),
        nic=nic,
        docker0=docker0,
        said=f"ens33 {nic}",
    )


def _where(recording: LessonRecording) -> Question:
    points = [point.name for point in recording.topology.points]
    counts = {
        point: recording.count(point, "icmp", recording.address("A"), recording.address("B"), icmp_type=8)
        for point in points
    }
    return question(
        ask=Text(
            en="Does this ping pass docker0 on its way out?",
            zh="这个 ping 出去的时候会经过 docker0 吗？",
        ),
        choices=(
            Choice("yes", Text(en="yes, and docker0 hands it to ens33", zh="会，docker0 再交给 ens33")),
            Choice("no", Text(en="no, it leaves directly by ens33", zh="不会，它直接从 ens33 出去")),
        ),
        truth="yes" if counts["A/docker0"] else "no",
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="docker0 is a bridge for containers with a veth pair. web has none.",
            zh="docker0 是给有 veth 对的容器用的网桥。web 没有 veth。",
        ),
    )


def _ttl(recording: LessonRecording) -> Question:
    after = _ping(recording, "B/ens33")
    return question(
        ask=Text(
            en="web sends its ping with TTL 64. Which TTL does B see?",
            zh="web 发出的 ping 的 TTL 是 64。B 看到的 TTL 是多少？",
        ),
        choices=(
            Choice("64", Text(en="64", zh="64")),
            Choice("63", Text(en="63", zh="63")),
            Choice("62", Text(en="62", zh="62")),
        ),
        truth=after.mark("ip.ttl").value,
        source=truth_sources.FRAME,
        before=Shown(_ping(recording, "A/ens33"), (("ip.ttl", 0),)),
        after=Shown(after, (("ip.ttl", 0),)),
        because=Text(
            en="A router takes 1 off the TTL. Nothing routes here: the host itself is the sender.",
            zh="路由器会把 TTL 减 1。这里没有路由：发送者就是主机自己。",
        ),
    )


LESSON = Lesson(
    name="host",
    chapter=Text(en="Host: a guest on the host's own network", zh="二、Host 模型：寄生"),
    story=Text(
        en="The container web shares the network namespace of host A. Host B is on the same wire.",
        zh="容器 web 与主机 A 共享网络命名空间。主机 B 在同一条线路上。",
    ),
    questions=(_mac, _where, _ttl),
    next_command="capnet analyze {file}",
)
