"""dns-failure: a name was not resolved.

Looks at: result codes in answers from UDP port 53 (RFC 1035 section 4.1.1); questions without an answer
(`facts.outcomes.silent_name_servers`), sent twice, a second or more before the capture ended, to a server that answers
no question, or no question of this client while it answers others; or questions that a host rejects by ICMP "port
unreachable". An answer counts from whichever address it comes, if it goes to the client's port. Not what is no DNS by
its fields, nor a server that a router cannot reach: `host-unreachable`.
Says: which name, and what the name server answered; names that it does not know are findings of their own, but for
those of addresses (`in-addr.arpa`, `ip6.arpa`); others are one, by server and answer. Or which server does not answer,
and the container that the questions reach. Names that only a search list tried count with the name behind them (`dns-
search-storm`). Of a server that does not answer by UDP, whether it does by TCP, or which other clients it answers
meanwhile, or answered before. Whether nothing at all that goes to the clients is recorded: the capture may hold one
direction only.
Wrong when: the answer took a way that was not captured, or the question was repeated over TCP.
Fix: correct the name; put containers that use each other's names on a user-defined network; or repair the name server
and the servers that it asks. A resolver at 127.0.0.53 of the host (systemd-resolved) is not in the container: give it
one by `--dns`.
Verify: `nsenter -t PID -n dig @SERVER NAME`.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.clues import Clue, first_of
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.outcomes.silent_name_servers import SilentNameServer, silent_name_servers
from capnet.analysis.facts.outcomes.silent_requests import nothing_comes_back
from capnet.analysis.facts.transport.dns_lookups import CODE_NAMES, NO_SUCH_NAME, FailedAnswer
from capnet.analysis.facts.transport.dns_search import FailedNames, address_of, failed_names
from capnet.quick_tuple import NamedTuple

NAME = finding_name(__name__)
LEVELS = ("info", "warning")
SCENARIO = "bridge"  # containers on Docker's default bridge have no names
WITNESS = "pcaps/bridge-user-defined.pcapng"  # Docker's DNS server answers
EXPLAINS = ()

PAGE_ZH = """一个名称没有解析成功。

检查：来自 UDP 端口 53 的应答中的结果码（RFC 1035 4.1.1 节）；没有应答的查询（`facts.outcomes.silent_name_servers`），
在抓包结束一秒以前就已发送两次，发给一台不应答任何查询、或应答其他客户端而不应答这个客户端的服务器；或被主机用 ICMP
“port unreachable” 拒绝的查询。应答无论来自哪个地址，只要发到客户端的端口就算。
从字段看不是 DNS 的，以及路由器到不了的服务器（`host-unreachable`），不算。
结论：哪个名称，名称服务器应答了什么；不存在的名称各是一条诊断，地址的反向名称（`in-addr.arpa`、`ip6.arpa`）合为一条，
其他的按服务器和应答合为一条。或哪台服务器不应答，以及查询到达了哪个容器。只由搜索域产生的名称计入其后的名称（`dns-search-storm`）。
不用 UDP 应答的服务器是否用 TCP 应答，或其间、此前应答了哪些其他客户端。是否没有记录任何发往客户端的包：抓包可能只有一
个方向。
误判：应答走了没有抓包的路，或查询改用 TCP 重发。
处理：更正名称；把互相用名称访问的容器放到自定义网络上；或修复名称服务器及其上游。主机的 127.0.0.53（systemd-resolved）
不在容器中：用 `--dns` 给容器指定一个。
验证：`nsenter -t PID -n dig @SERVER NAME`。
"""

ANSWERED = Text(en="{servers} answered {code} about {query}", zh="{servers} 对 {query} 的应答是 {code}")
NO_SUCH_NAME_FIX = Text(
    en="check the name; on Docker's default bridge containers have no names: put them on a network of their own",
    zh="检查名称；在 Docker 默认网桥上容器没有名称：把它们放到自定义网络上",
)
NO_SUCH_NAME_ELSEWHERE_FIX = Text(
    en="check the name, and the search list of who asks", zh="检查名称，以及查询者的搜索域"
)
OF_ADDRESSES = Text(en="the reverse {count:name|names} of {addresses}", zh="{addresses} 的 {count} 个反向名称")
REVERSE_FIX = Text(
    en="add PTR records, or turn off what looks up names of addresses (`-n` of tools, `UseDNS no` of sshd)",
    zh="添加 PTR 记录，或关闭按地址查名称的功能（工具的 `-n`，sshd 的 `UseDNS no`）",
)
ANSWERED_FIX = Text(en="check the name server, and whom it asks in turn", zh="检查名称服务器，以及它向谁转发查询")
SILENT = Text(
    en="the name server {server} did not answer {queries:DNS question} of {clients}",
    zh="名称服务器 {server} 没有应答 {clients} 的 {queries} 个 DNS 查询",
)
REFUSED = Text(
    en="{server} has no name server: it refused {queries:question} of {clients} (ICMP port unreachable)",
    zh="{server} 上没有名称服务器：它拒绝了 {clients} 的 {queries} 个查询（ICMP port unreachable）",
)
REJECTED = Text(
    en="{rejecting} rejects {queries:DNS question} of {clients} to {server} (ICMP port unreachable)",
    zh="{rejecting} 拒绝了 {clients} 发给 {server} 的 {queries} 个 DNS 查询（ICMP port unreachable）",
)
REJECTED_FIX = Text(
    en="look on the host of {rejecting} for the rule that rejects them (`iptables -vnL`, `nft list ruleset`): "
    "kube-proxy makes one for a service without endpoints",
    zh="在 {rejecting} 所在的主机上查找拒绝它们的规则（`iptables -vnL`、`nft list ruleset`）：kube-proxy 为没有端点的服"
    "务建立这样的规则",
)
OTHERS = Text(en="; it answered {others} meanwhile", zh="；其间它应答了 {others}")
OTHERS_FIX = Text(
    en="look for what treats {clients} unlike {others}: a rule by source address, a NetworkPolicy without egress to "
    "UDP port 53, an access list of the name server, a route back",
    zh="查找对 {clients} 与 {others} 区别对待的原因：按源地址的规则、没有放行 UDP 53 端口出方向的 NetworkPolicy、"
    "名称服务器的访问列表、回程路由",
)
EARLIER = Text(en="; it answered {earlier} before, and nothing since", zh="；它此前应答过 {earlier}，此后没有应答")
EARLIER_FIX = Text(
    en="ask it again from {earlier}: if it answers, look for what treats {clients} unlike {earlier} (rules in FORWARD "
    "and DOCKER-USER, a NetworkPolicy, an access list, a route back); else check that the name server is up",
    zh="从 {earlier} 再查询一次：如果有应答，查找对 {clients} 与 {earlier} 区别对待的原因（FORWARD、DOCKER-USER 等针对"
    "转发的规则、NetworkPolicy、访问列表、回程路由）；否则检查名称服务器是否在线",
)
CLUSTER_FIX = Text(
    en="it is asked as the name server of a Kubernetes cluster: check its pods and endpoints (`kubectl -n kube-system "
    "get pods,endpointslices -o wide`), and kube-proxy's rules on the node (`iptables-save | grep {server}`); ",
    zh="它被当作 Kubernetes 集群的名称服务器查询：检查它的 pod 和端点（`kubectl -n kube-system get pods,endpointslices "
    "-o wide`），以及节点上 kube-proxy 的规则（`iptables-save | grep {server}`）；",
)
SILENT_FIX = Text(
    en="check that the name server is up and that UDP port 53 is open both ways",
    zh="检查名称服务器是否已启动，UDP 端口 53 是否双向开放",
)
BY_TCP = Text(en=" by UDP; it does answer by TCP", zh="（UDP）；但它用 TCP 应答")
ONE_DIRECTION = Text(
    en="the capture has no answer to {queries:DNS question} of {clients} to {server}, nor anything else that goes to "
    "{clients}",
    zh="抓包中没有对 {clients} 发给 {server} 的 {queries} 个 DNS 查询的应答，也没有任何其他发往 {clients} 的包",
)
ONE_DIRECTION_FIX = Text(
    en="capture both directions first, without `-Q out` and at both halves of a tap; if answers are missing then too, ",
    zh="先抓取两个方向，不用 `-Q out`，分光时抓两路；如果仍没有应答，",
)
BY_TCP_FIX = Text(
    en="the name server is up: look for what drops UDP port 53 on the way (`iptables -vnL`, a network policy that "
    "allows TCP only), or its answers",
    zh="名称服务器在线：查找途中是什么丢弃了 UDP 53 端口（`iptables -vnL`、只允许 TCP 的网络策略）或其应答",
)
REACHED = Text(
    en="; they reach it at {point}, where nothing answers and nothing refuses them",
    zh="；这些查询到达了 {point}，那里既没有应答也没有拒绝",
)
REACHED_FIX = Text(
    en='the way there works: look at the server in {container}. It may answer its own networks only (Pi-hole: "Permit '
    'all origins", unbound: access-control), wait for a server that it asks in turn, or be filtered there (`nsenter -t '
    "PID -n iptables -vnL INPUT`)",
    zh='路径没有问题：检查 {container} 中的服务器。它可能只应答自己的网络（Pi-hole 的 "Permit all origins"、unbound 的 '
    "access-control），在等待它的上游，或那里有过滤（`nsenter -t PID -n iptables -vnL INPUT`）",
)
LOOPBACK_FIX = Text(
    en="{server} is the asker's own loopback, not the host's: give the container a name server that it reaches "
    '(`--dns`, or "dns" in daemon.json)',
    zh="{server} 是查询者自己的环回地址，不是主机的：给容器一个它能到达的名称服务器（`--dns`，或 daemon.json 中的 "
    '"dns"）',
)

NO_NAME = Text(en="a name", zh="一个名称")
TIMES = Text(en=" ({count} times)", zh="（{count} 次）")
MAX_FINDINGS = 20  # about answers
MAX_FRAMES_AT_POINT = 3  # of one name and code
LOOPBACK = "127."  # RFC 1122 section 3.2.1.3


def diagnose(context: Context) -> list[Finding]:
    silent = (_silent_server(context, silent) for silent in silent_name_servers(context))
    return [*(_failed_names_of(context, failed) for failed in failed_names(context)[:MAX_FINDINGS]), *silent]


def _failed_names_of(context: Context, failed: FailedNames) -> Finding:
    by_name, code = failed.answers, failed.code
    counts = {name: _count(answers) for name, answers in by_name.items()}
    names = sorted(by_name, key=lambda name: (-counts[name], name))
    count = sum(counts.values())
    answers = [answer for name in names for answer in by_name[name]]
    servers = sorted({answer.server for answer in answers})
    words = CODE_NAMES.get(code, f"result code {code}")
    subjects = several([address_of(name) if failed.is_reverse else name or NO_NAME.fill() for name in names])
    query = OF_ADDRESSES.fill(addresses=subjects, count=len(names)) if failed.is_reverse else subjects
    evidence = sorted(
        context.evidence(point, frame)
        for name in names
        for point, at_point in _frames(by_name[name]).items()
        for frame in at_point[:MAX_FRAMES_AT_POINT]
    )
    query += TIMES.fill(count=count) if count > 1 else ""
    return Finding(
        NAME,
        "info" if code == NO_SUCH_NAME else "warning",
        ANSWERED.fill(servers=several(servers[:2]), code=words, query=query),
        _fix_of_names(context, failed).fill(),
        {"name": names[0], "names": names[:MAX_EVIDENCE], "code": code, "said": words, "answers": count,
         "servers": servers},
        evidence,
    )  # fmt: skip


def _fix_of_names(context: Context, failed: FailedNames) -> Text:
    if failed.code != NO_SUCH_NAME:
        return ANSWERED_FIX
    if failed.is_reverse:
        return REVERSE_FIX
    return NO_SUCH_NAME_FIX if shows_containers(context) else NO_SUCH_NAME_ELSEWHERE_FIX


def _frames(answers: list[FailedAnswer]) -> dict[int, list[int]]:
    """Point → the frames of these answers there."""
    frames: dict[int, list[int]] = {}
    for answer in answers:
        frames.setdefault(answer.point, []).append(answer.frame)
    return frames


def _count(answers: list[FailedAnswer]) -> int:
    """How often a name was answered so: every point shows the same answers."""
    return max(len(at_point) for at_point in _frames(answers).values())


class _Silence(NamedTuple):
    """Questions to a name server that no hop shows an answer to."""

    of: SilentNameServer
    questions: int
    is_one_sided: bool  # nothing at all comes back to the clients

    @property
    def is_refused(self) -> bool:
        """Does the server's own host refuse them?"""
        return self.of.rejecting == self.of.server

    def fill(self, text: Text) -> str:
        """A text about them."""
        return text.fill(
            server=self.of.server,
            rejecting=self.of.rejecting,
            queries=self.questions,
            clients=several(self.of.clients),
            point=self.of.reached,
            container=self.of.reached.rpartition("/")[0],
            others=several(self.of.others),
            earlier=several(self.of.earlier),
        )


def _silent_server(context: Context, silent: SilentNameServer) -> Finding:
    """A server with questions that no hop shows an answer to."""
    questions = int(packets_without_duplicates(context)[silent.rows].sum())
    is_one_sided = not (silent.rejecting or silent.others) and nothing_comes_back(context, silent.rows)
    silence = _Silence(silent, questions, is_one_sided)
    clue = _CLUE(context, silence) or Clue(_fix_of_cluster(silence) + silence.fill(SILENT_FIX))
    facts = {"server": silent.server, "questions": questions, "code": None, "refused": silence.is_refused}
    return Finding(
        NAME,
        "warning",
        silence.fill(_outcome(silence)) + clue.says,
        (ONE_DIRECTION_FIX.fill() if is_one_sided else "") + clue.fix,
        {**facts, **clue.facts},
        sorted(context.first_frames(silent.rows)),
    )


def _outcome(silence: _Silence) -> Text:
    """What became of the questions."""
    if silence.is_refused:
        return REFUSED
    if silence.of.rejecting:
        return REJECTED
    return ONE_DIRECTION if silence.is_one_sided else SILENT


def _own_loopback(context: Context, silence: _Silence) -> Clue | None:
    is_own = silence.is_refused and silence.of.server.startswith(LOOPBACK)
    return Clue(silence.fill(LOOPBACK_FIX)) if is_own else None


def _rejected(context: Context, silence: _Silence) -> Clue | None:
    """Another host rejects the questions by a rule."""
    if not silence.of.rejecting or silence.is_refused:
        return None
    return Clue(_fix_of_cluster(silence) + silence.fill(REJECTED_FIX), facts={"rejected_by": silence.of.rejecting})


def _others_answered(context: Context, silence: _Silence) -> Clue | None:
    others, earlier = silence.of.others[:MAX_EVIDENCE], silence.of.earlier[:MAX_EVIDENCE]
    if others:
        return Clue(silence.fill(OTHERS_FIX), silence.fill(OTHERS), {"answered": others})
    is_before = earlier and not silence.of.rejecting and not silence.of.is_by_tcp
    return Clue(silence.fill(EARLIER_FIX), silence.fill(EARLIER), {"answered_before": earlier}) if is_before else None


def _answers_by_tcp(context: Context, silence: _Silence) -> Clue | None:
    return Clue(silence.fill(BY_TCP_FIX), silence.fill(BY_TCP), {"by_tcp": True}) if silence.of.is_by_tcp else None


def _reached(context: Context, silence: _Silence) -> Clue | None:
    """The questions come to a container, and that is silent."""
    says, facts = silence.fill(REACHED), {"reached": silence.of.reached}
    return Clue(silence.fill(REACHED_FIX), says, facts) if silence.of.reached else None


def _fix_of_cluster(silence: _Silence) -> str:
    """What to do first if the server is asked as that of a Kubernetes cluster."""
    return silence.fill(CLUSTER_FIX) if silence.of.asks_cluster else ""


# Who refuses says most; that the server works for others, more than where the questions end.
_CLUE = first_of(_own_loopback, _rejected, _others_answered, _answers_by_tcp, _reached)
