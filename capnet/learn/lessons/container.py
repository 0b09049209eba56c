"""container: a second container in the network namespace of the first."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonRecording

OWN_MAC, OWN_ADDRESS = "02:42:ac:11:00:04", "172.17.0.4"  # what Docker would have given bbox next


def _interfaces(recording: LessonRecording) -> Question:
    bbox = next(each for each in recording.topology.containers if each.name == "bbox")
    return question(
        ask=Text(
            en="bbox was started with --network container:web. How many interfaces did Docker make for bbox?",
            zh="bbox 用 --network container:web 启动。Docker 为 bbox 新建了几张网卡？",
        ),
        choices=(
            Choice("1", Text(en="one, a second eth0", zh="一张，第二个 eth0")),
            Choice("0", Text(en="none: it uses those of web", zh="没有：它使用 web 的网卡")),
            Choice("2", Text(en="two, a veth pair from bbox to web", zh="两张，bbox 和 web 之间的一对 veth")),
        ),
        truth=str(len(bbox.endpoints)),
        source=truth_sources.INSPECT,
        because=Text(
            en="bbox joins the network namespace of web: interfaces, addresses, routes and ports are the same.",
            zh="bbox 加入 web 的网络命名空间：网卡、地址、路由和端口都是同一份。",
        ),
        said=f"bbox shares the network of {bbox.shares_network_with}, {len(bbox.endpoints)} endpoints",
    )


def _mac(recording: LessonRecording) -> Question:
    web, other = recording.address("web"), recording.address("other")
    return question(
        ask=Text(
            en="bbox pings the container other ({other}). Which source MAC and address does other see?",
            zh="bbox ping 容器 other（{other}）。other 看到的源 MAC 和源地址是什么？",
        ),
        choices=(
            Choice(OWN_MAC, Text(en="{own_mac} and {own}, those of bbox", zh="{own_mac} 和 {own}，bbox 自己的")),
            Choice(recording.mac("web"), Text(en="{mac} and {web}, those of web", zh="{mac} 和 {web}，web 的")),
            Choice(
                recording.interface("A", "docker0").mac or "",
                Text(en="the MAC of docker0 and {web}", zh="docker0 的 MAC 和 {web}"),
            ),
        ),
        truth=recording.mac("web"),
        source=truth_sources.INSPECT,
        after=Shown(recording.frame("A/other/eth0", "icmp", web, other, icmp_type=8), (("eth.src", 0), ("ip.src", 0))),
        because=Text(
            en="No packet shows which of the two sent it. "
            "In a Kubernetes pod it is the same: one address for all containers.",
            zh="从数据包上分不出 bbox 和 web。Kubernetes 的 Pod 也是这样：所有容器共用一个地址。",
        ),
        web=web,
        other=other,
        mac=recording.mac("web"),
        own_mac=OWN_MAC,
        own=OWN_ADDRESS,
        said=f"web {recording.mac('web')} {web}",
    )


def _own_address(recording: LessonRecording) -> Question:
    web = recording.address("web")
    points = [point.name for point in recording.topology.points]
    counts = {point: recording.count(point, "tcp", web, web) for point in points}
    return question(
        ask=Text(
            en="bbox asks web for a page at {web}, the address that both have. Where do you see the packets?",
            zh="bbox 通过两者共有的地址 {web} 向 web 请求网页。在哪里能看到这些包？",
        ),
        choices=(
            Choice("A/web/eth0", Text(en="on eth0 of web", zh="web 的 eth0")),
            Choice("A/docker0", Text(en="on docker0", zh="docker0")),
            Choice("A/web/lo", Text(en="on lo of web", zh="web 的 lo")),
        ),
        truth="+".join(point for point in points if counts[point]),
        source=truth_sources.COUNTED,
        counts=counts,
        because=Text(
            en="Linux delivers over lo what a namespace sends to one of its own addresses.",
            zh="自己的地址对命名空间来说是本地地址。不管写的是哪个地址，Linux 都通过 lo 投递。",
        ),
        web=web,
    )


LESSON = Lesson(
    name="container",
    chapter=Text(en="Container: two containers, one network namespace", zh="四、Container 模型：如影随形"),
    story=Text(
        en="web and other are on docker0 of host A. bbox shares the network of web.",
        zh="web 和 other 在主机 A 的 docker0 上。bbox 使用 web 的网络。",
    ),
    questions=(_interfaces, _mac, _own_address),
    next_command="capnet analyze {file}",
)
