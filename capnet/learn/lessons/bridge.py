"""bridge: containers on docker0, masquerade to the outside, a published port to the inside."""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.learn import truth_sources
from capnet.learn.question import Choice, Lesson, Question, Shown, question
from capnet.learn.recording import LessonFrame, LessonRecording

PUBLISHED, LISTENING = "8080", "80"  # -p 8080:80


def _neighbour(recording: LessonRecording) -> Question:
    bbox, web = recording.address("bbox"), recording.address("web")
    docker0 = recording.interface("A", "docker0").mac or ""
    veth = recording.interface("A", recording.endpoint("bbox").veth or "").mac or ""
    at = [recording.frame(point, "tcp", bbox, web, dport=80) for point in ("A/bbox/eth0", "A/web/eth0")]
    return question(
        ask=Text(
            en="bbox ({bbox}) opens a connection to web ({web}). Both are on docker0. Which source MAC does web see?",
            zh="bbox（{bbox}）向 web（{web}）发起连接，两者都在 docker0 上。web 看到的源 MAC 是什么？",
        ),
        choices=(
            Choice(docker0, Text(en="{docker0}, that of docker0", zh="{docker0}，docker0 的 MAC")),
            Choice(
                veth, Text(en="{veth}, that of bbox's veth on the host", zh="{veth}，bbox 在主机一侧的 veth 的 MAC")
            ),
            Choice(recording.mac("bbox"), Text(en="{mac}, that of bbox", zh="{mac}，bbox 自己的 MAC")),
        ),
        truth=recording.mac("bbox"),
        source=truth_sources.INSPECT,
        before=Shown(at[0], (("eth.src", 0),)),
        after=Shown(at[1], (("eth.src", 0),)),
        because=Text(
            en="docker0 is a switch. It looks at the destination MAC, picks the port, and changes nothing.",
            zh="docker0 是一台交换机。它根据目的 MAC 选择端口，什么也不改。",
        ),
        bbox=bbox,
        web=web,
        docker0=docker0,
        veth=veth,
        mac=recording.mac("bbox"),
        said=f"bbox {recording.mac('bbox')}",
    )


def _ping(recording: LessonRecording, point: str, source: str) -> LessonFrame:
    return recording.frame(point, "icmp", source, recording.address("B"), icmp_type=8)


def _masquerade(recording: LessonRecording) -> Question:
    bbox, a, b = recording.address("bbox"), recording.address("A"), recording.address("B")
    gateway = "172.17.0.1"
    connection = recording.connection("A", "icmp", src=bbox, dst=b)
    truth = connection.reply["dst"]
    return question(
        ask=Text(
            en="bbox ({bbox}) pings host B ({b}). Which source address does B see?",
            zh="bbox（{bbox}）ping 主机 B（{b}）。B 看到的源地址是什么？",
        ),
        choices=(
            Choice(bbox, Text(en="{bbox}, that of bbox", zh="{bbox}，bbox 的地址")),
            Choice(gateway, Text(en="{gateway}, that of docker0", zh="{gateway}，docker0 的地址")),
            Choice(a, Text(en="{a}, that of host A", zh="{a}，主机 A 的地址")),
        ),
        truth=truth,
        source=truth_sources.CONNTRACK,
        before=Shown(_ping(recording, "A/bbox/eth0", bbox), (("ip.src", 0),)),
        after=Shown(_ping(recording, "B/ens33", truth), (("ip.src", 0),)),
        because=Text(
            en="B has no route to 172.17.0.0/16, and every Docker host uses it. "
            "iptables on A rewrites the source (MASQUERADE). "
            "conntrack keeps the translation and undoes it for the reply.",
            zh="B 没有到 172.17.0.0/16 的路由，而且每台 Docker 主机都用这个网段。"
            "A 上的 iptables 改写源地址（MASQUERADE，源地址转换）；conntrack 记住它，再把应答改回来。",
        ),
        bbox=bbox,
        gateway=gateway,
        a=a,
        b=b,
        line=connection.line,
    )


def _ttl(recording: LessonRecording) -> Question:
    before = _ping(recording, "A/bbox/eth0", recording.address("bbox"))
    after = _ping(recording, "B/ens33", recording.address("A"))
    return question(
        ask=Text(
            en="The same ping left bbox with TTL 64. Which TTL does B see?",
            zh="同一个 ping 离开 bbox 时 TTL 是 64。B 看到的 TTL 是多少？",
        ),
        choices=(
            Choice("64", Text(en="64: docker0 is a switch", zh="64：docker0 是交换机")),
            Choice("63", Text(en="63: host A routes", zh="63：主机 A 做了路由")),
            Choice("62", Text(en="62: docker0 and ens33 take 1 each", zh="62：docker0 和 ens33 各减 1")),
        ),
        truth=after.mark("ip.ttl").value,
        source=truth_sources.FRAME,
        before=Shown(before, (("ip.ttl", 0),)),
        after=Shown(after, (("ip.ttl", 0),)),
        because=Text(
            en="docker0 is also the gateway of bbox. From docker0 to ens33 the kernel of A routes, "
            "and a router takes 1 off the TTL.",
            zh="docker0 同时是 bbox 的网关。从 docker0 到 ens33，A 的内核做路由；每经过一个路由器 TTL 减 1。",
        ),
    )


def _published(recording: LessonRecording) -> Question:
    a, b, web = recording.address("A"), recording.address("B"), recording.address("web")
    connection = recording.connection("A", "tcp", src=b, dport=PUBLISHED)
    before = recording.frame("B/ens33", "tcp", b, a, dport=int(PUBLISHED))
    after = recording.frame("A/web/eth0", "tcp", b, web)
    return question(
        ask=Text(
            en="web was started with -p {published}:{listening}. B connects to {a}:{published}. "
            "Which destination does web see?",
            zh="web 用 -p {published}:{listening} 启动。B 连接 {a}:{published}。web 看到的目的地址和端口是什么？",
        ),
        choices=(
            Choice(f"{a}:{PUBLISHED}", Text(en="{a}:{published}, as B wrote it", zh="{a}:{published}，和 B 写的一样")),
            Choice(f"{web}:{PUBLISHED}", Text(en="{web}:{published}", zh="{web}:{published}")),
            Choice(f"{web}:{LISTENING}", Text(en="{web}:{listening}", zh="{web}:{listening}")),
        ),
        truth=f"{connection.reply['src']}:{connection.reply['sport']}",
        source=truth_sources.CONNTRACK,
        before=Shown(before, (("ip.dst", 0), ("tcp.dstport", 0))),
        after=Shown(after, (("ip.dst", 0), ("tcp.dstport", 0))),
        because=Text(
            en="A published port is a DNAT rule: iptables on A rewrites address and port before it routes.",
            zh="端口映射就是一条 DNAT 规则：A 上的 iptables 在路由之前改写目的地址和端口（目的地址转换）。",
        ),
        a=a,
        web=web,
        published=PUBLISHED,
        listening=LISTENING,
        line=connection.line,
    )


def _client(recording: LessonRecording) -> Question:
    a, b, web = recording.address("A"), recording.address("B"), recording.address("web")
    gateway = "172.17.0.1"
    connection = recording.connection("A", "tcp", src=b, dport=PUBLISHED)
    return question(
        ask=Text(
            en="And which source address stands in web's access log?",
            zh="那么 web 的访问日志里记下的源地址是什么？",
        ),
        choices=(
            Choice(b, Text(en="{b}, that of B", zh="{b}，B 的地址")),
            Choice(a, Text(en="{a}, that of host A", zh="{a}，主机 A 的地址")),
            Choice(gateway, Text(en="{gateway}, that of docker0", zh="{gateway}，docker0 的地址")),
        ),
        truth=connection.reply["dst"],
        source=truth_sources.CONNTRACK,
        after=Shown(recording.frame("A/web/eth0", "tcp", b, web), (("ip.src", 0),)),
        because=Text(
            en="DNAT rewrites the destination alone. "
            "Where a log shows 172.17.0.1 instead, docker-proxy took the connection: see `bridge-hairpin`.",
            zh="DNAT 只改写目的地址。如果日志里是 172.17.0.1，说明连接由 docker-proxy 转发：见场景 `bridge-hairpin`。",
        ),
        a=a,
        b=b,
        gateway=gateway,
        line=connection.line,
    )


LESSON = Lesson(
    name="bridge",
    chapter=Text(en="Bridge: docker0, masquerade, published ports", zh="三、Bridge 模型：搭桥"),
    story=Text(
        en="Two containers, web and bbox, are on docker0 of host A. Host B is another machine on the wire.",
        zh="两个容器 web 和 bbox 在主机 A 的 docker0 上。主机 B 是线路上的另一台机器。",
    ),
    questions=(_neighbour, _masquerade, _ttl, _published, _client),
    next_command="capnet trace {file} --flow 'port 8080'",
)
