"""idle-connection-forgotten: something on the way forgot a connection while it was silent.

Looks at: TCP connections that worked, were silent for 5 s or longer, and then got no answer to data or keepalives that
were sent three times; or a reset: after 60 s, or after 20 s one that the peer did not send itself, by its TTL. UDP
counts if it still reaches one point and no longer the next one, which showed it before. The server must not be down:
another packet of its own comes later, or the captures show where the data stops. Nor must all servers behind one router
be silent at that time (`connection-cut`).
Says: who was silent for how long, where the data stops, and whose timeout lies between the longest pause that was
survived and this one: 900 s IPVS, 350 s and 240 s load balancers of clouds, 60 s of proxies and closing connections;
of UDP 120 s and 30 s of NAT tables. No timeout where the silent host is on the link of the point, by its MAC and TTL:
what forgets connections forwards packets, and these came to its link.
Wrong when: the server restarted in the pause.
Fix: keepalives that come sooner than the timeout; or a way without the balancer.
Verify: `nsenter --net=/run/docker/netns/lb_… ipvsadm -l --timeout`, `conntrack -L` on the host that translates, and
`ss -to` in the client's namespace for the keepalive timer.
"""

from __future__ import annotations

import numpy as np

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.facts.transport.idle_connections import (
    SECOND_NS,
    Forgotten,
    forgotten_connections,
    stop_after_pause,
)
from capnet.analysis.facts.transport.idle_datagrams import forgotten_datagrams
from capnet.analysis.facts.ways.lost_ways import lost_way
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault idle-connection-forgotten"
WITNESS = "pcaps/overlay-service.pcapng"  # connections through IPVS that are used at once
EXPLAINS = ("retransmissions", "packet-loss", "reset-in-session")

PAGE_ZH = """连接静默期间，途中的某个设备忘记了它。

检查：曾经正常、静默 5 秒以上、随后数据或 keepalive 发送三次都无应答的 TCP 连接；或得到 reset：静默 60 秒以后，如果按
TTL 不是对方自己发的，则 20 秒以后。UDP 只有在仍到达一个抓包点、不再到达此前能看到的下一个时才算。服务器必须在线：之后
有它自己的其他包，或抓包显示数据停在哪里。也不能是一个路由器后面的所有服务器当时都没有应答（`connection-cut`）。
结论：谁静默了多久，数据停在哪里，哪种超时介于此前没有问题的最长停顿和这一次之间：IPVS 900 秒，云的负载均衡 350 秒和
240 秒，代理和正在关闭的连接 60 秒；UDP 的 NAT 表 120 秒和 30 秒。如果按 MAC 和 TTL 不应答的主机就在抓包点的链路上，则
不说超时：忘记连接的设备会转发包，而这些包已到达它的链路。
误判：服务器在停顿期间重启了。
处理：在超时之前发送 keepalive；或绕过负载均衡。
验证：`nsenter --net=/run/docker/netns/lb_… ipvsadm -l --timeout`，在做转换的主机上 `conntrack -L`，在客户端的命名空
间中用 `ss -to` 查看 keepalive 定时器。
"""

SAYS = Text(
    en="{client} → {server} worked, was silent for {silence}, and since then {outcome}{place}{timer}{survived}",
    zh="{client} → {server} 曾经正常，静默了 {silence}，此后{outcome}{place}{timer}{survived}",
)
SILENT = Text(en="nothing is answered, though sent {tries:time}", zh="无应答，已发送 {tries} 次")
RESET = Text(en="its data is answered by a reset{foreign}", zh="它的数据得到的应答是 reset{foreign}")
FOREIGN = Text(en=" that {peer} did not send itself (TTL)", zh="（TTL 表明不是 {peer} 自己发的）")
BETWEEN = Text(en="; it reaches {before} and no longer {after}", zh="；到达 {before}，不再到达 {after}")
INSIDE = Text(en="; it comes in at {point} and no longer goes out there", zh="；从 {point} 进来，不再从那里出去")
TIMER = Text(en=": {who} forget an idle connection after {seconds} s", zh="：{who}会在 {seconds} 秒后忘记空闲连接")
LINK = Text(
    en="; both hosts are on one link, and no router is between them",
    zh="；两台主机在同一链路上，之间没有路由器",
)
LINK_OF_PEER = Text(
    en="; it came to the link of {peer}, which itself is silent",
    zh="；这些包已到达 {peer} 的链路，是它自己不应答",
)
SURVIVED = Text(en="; pauses up to {seconds} s were survived", zh="；此前长达 {seconds} 秒的停顿没有问题")
FIX = Text(
    en="send keepalives sooner than that: `--sysctl net.ipv4.tcp_keepalive_time={keepalive}` for the container and "
    "SO_KEEPALIVE in the program, or its driver's own setting; or go past the balancer (tasks.SERVICE, "
    "`--endpoint-mode dnsrr`)",
    zh="在此之前发送 keepalive：对容器用 `--sysctl net.ipv4.tcp_keepalive_time={keepalive}` 并在程序中设置 "
    "SO_KEEPALIVE，或用其驱动自己的设置；也可以绕过负载均衡（tasks.SERVICE、`--endpoint-mode dnsrr`）",
)

FIX_LINK = Text(
    en="check whether {peer} was restarted, suspended or unplugged in the pause, or its own firewall was reloaded",
    zh="检查 {peer} 在停顿期间是否重启、休眠或断网，或其自己的防火墙是否重新加载过",
)
FIX_UDP = Text(
    en="let the program send something at least every {keepalive} s, or raise "
    "net.netfilter.nf_conntrack_udp_timeout_stream on the host that translates",
    zh="让程序至少每 {keepalive} 秒发送一次，或在做转换的主机上提高 net.netfilter.nf_conntrack_udp_timeout_stream",
)

SHORT = Text(en="{whole} s", zh="{whole} 秒")
LONG = Text(en="{whole} s ({minutes} min {seconds} s)", zh="{whole} 秒（{minutes} 分 {seconds} 秒）")
UDP_TIMERS = {120: "NAT tables (conntrack: streams)", 30: "NAT tables (conntrack)"}
TIMERS = {
    900: "IPVS balancers (Swarm, kube-proxy)",
    350: "load balancers and NAT gateways of clouds",
    240: "load balancers of clouds",
    60: "many proxies",
}
DEFAULT_KEEPALIVE_S = 20  # where no timer is known


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, forgotten)
        for forgotten in forgotten_connections(context) + forgotten_datagrams(context)
        if not _is_server_gone(context, forgotten)
        and (forgotten.is_reset or lost_way(context, forgotten.flow, forgotten.since) is None)
    ]


def _is_server_gone(context: Context, forgotten: Forgotten) -> bool:
    """Are new connections to the server not answered either, and has it said nothing since?"""
    flows = context.flows
    ends = [schema.FLOW_POINT, *schema.FLOW_DST]
    is_to_server = (flows[:, ends] == flows[forgotten.flow, ends]).all(axis=1)
    is_new = (flows[:, schema.FLOW_SYN_TIME] > forgotten.since) & (replies(context) < 0)
    return bool((is_to_server & is_new).any()) and not _is_server_alive(context, forgotten)


def _is_server_alive(context: Context, forgotten: Forgotten) -> bool:
    """Does the server say anything after the pause, in another connection?"""
    flows, reply = context.flows, int(replies(context)[forgotten.flow])
    ends = [schema.FLOW_POINT, *schema.FLOW_SRC]
    is_from_server = (flows[:, ends] == flows[reply, ends]).all(axis=1)
    is_from_server[reply] = False
    return bool((is_from_server & (flows[:, schema.FLOW_LAST] > forgotten.since)).any())


def _ends_of_link(context: Context, forgotten: Forgotten) -> int:
    """How many ends are on the link of the point, the silent one first: no router passed their packets, and each has a
    MAC of its own."""
    flows = context.flows
    row, reply = flows[forgotten.flow], flows[int(replies(context)[forgotten.flow])]
    macs = [schema.FLOW_SMAC, schema.FLOW_DMAC]
    if row[macs[0]] <= 0 or row[macs[0]] == row[macs[1]] or (row[macs] != reply[macs[::-1]]).any():
        return 0
    of_point = flows[flows[:, schema.FLOW_POINT] == row[schema.FLOW_POINT]]
    is_of_family = (of_point[:, _FROM[0]] == 0) == (row[_FROM[0]] == 0)
    # A host that has no address yet asks for one from an unspecified one.
    has_address = (of_point[:, _FROM[0]] != 0) | ~is_one_of(of_point[:, _FROM[1]], _UNSPECIFIED)
    of_family = of_point[is_of_family & has_address]
    near = [
        # A router's MAC sends packets of many addresses.
        end[schema.FLOW_TTL] in INITIAL_TTLS
        and bool((of_family[of_family[:, macs[0]] == end[macs[0]]][:, _FROM] == end[_FROM]).all())
        for end in (reply, row)
    ]
    return 2 if all(near) else int(near[0])


_FROM = schema.FLOW_SRC
_UNSPECIFIED = [address_value(address)[1] for address in ("0.0.0.0", "::")]


def _finding(context: Context, forgotten: Forgotten) -> Finding:
    flow = context.flows[forgotten.flow]
    place = stop_after_pause(context, forgotten.flow, forgotten.since, forgotten.silence)
    is_tcp = flow[schema.FLOW_PROTO] == TCP
    timers, fix = (TIMERS, FIX) if is_tcp else (UDP_TIMERS, FIX_UDP)
    seconds, survived = forgotten.silence / SECOND_NS, forgotten.survived / SECOND_NS
    ends_of_link = 0
    if is_tcp and place is None and not forgotten.is_foreign_reset:
        ends_of_link = _ends_of_link(context, forgotten)
    link = LINK if ends_of_link == 2 else LINK_OF_PEER
    timer = next((timer for timer in timers if survived < timer <= seconds and not ends_of_link), None)
    timer_text = TIMER.fill(who=language.term(timers[timer]), seconds=timer) if timer else ""
    is_shown = place is not None or _is_server_alive(context, forgotten) or forgotten.is_foreign_reset
    is_error = timer is not None and is_shown and (not forgotten.is_reset or forgotten.is_foreign_reset)
    outcome = SILENT.fill(tries=forgotten.tries)
    if forgotten.is_reset:
        outcome = RESET.fill(foreign=FOREIGN.fill(peer=destination(flow)) if forgotten.is_foreign_reset else "")
    evidence = [context.flow_evidence(forgotten.flow, frame) for frame in forgotten.frames[: MAX_EVIDENCE - 1]]
    if place:
        frames = observations_of(context, place[0])[:, schema.OBS_FRAME]
        evidence += [context.flow_evidence(place[0], frame) for frame in frames[-1:].tolist()]
    client = endpoint_text(source(flow), int(flow[schema.FLOW_SPORT]))
    server = endpoint_text(destination(flow), int(flow[schema.FLOW_DPORT]))
    return Finding(
        NAME,
        "error" if is_error else "warning",
        SAYS.fill(
            client=client, server=server, silence=_duration(seconds), outcome=outcome,
            place=_place_words(context, place) if place else "",
            timer=link.fill(peer=destination(flow)) if ends_of_link else timer_text,
            survived=SURVIVED.fill(seconds=int(survived)) if survived >= 1 else "",
        ),
        FIX_LINK.fill(peer=destination(flow))
        if ends_of_link
        else fix.fill(keepalive=timer * 2 // 3 if timer else DEFAULT_KEEPALIVE_S),
        {
            "client": client, "server": server, "silent_s": round(seconds, 1), "survived_s": round(survived, 1),
            "timer_s": timer, "attempts": forgotten.tries, "reset": forgotten.is_reset,
        },
        sorted(set(evidence)),
    )  # fmt: skip


def _place_words(context: Context, place: tuple[int, int]) -> str:
    points = context.flows[np.array(place), schema.FLOW_POINT].tolist()
    before, after = (context.points[point].name for point in points)
    return INSIDE.fill(point=before) if points[0] == points[1] else BETWEEN.fill(before=before, after=after)


def _duration(seconds: float) -> str:
    """`903 s (15 min 3 s)`."""
    whole = round(seconds)
    text = SHORT if whole < 120 else LONG
    return text.fill(whole=whole, minutes=whole // 60, seconds=whole % 60)
