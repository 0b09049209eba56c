"""No longer forwarded: answers came from behind the address before, and now it refuses itself."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.outcomes.refused_connections import backend_of, nearer_ttl
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts

SAYS = Text(
    en="; the RST has TTL {ttl}, earlier answers of the port {usual}: they came from behind {address}{backend}, and "
    "now it answers itself",
    zh="；RST 的 TTL 是 {ttl}，该端口此前的应答是 {usual}：此前的应答来自 {address} 后面{backend}，现在由它自己应答",
)
BACKEND = Text(en=" ({backend})", zh="（{backend}）")
FIX = Text(
    en="check that the container still runs and that {address} still translates the port (`docker ps`, "
    "`iptables -t nat -vnL DOCKER`): a firewall reload removes Docker's rules, `systemctl restart docker` brings them "
    "back; a rule with REJECT --reject-with tcp-reset looks the same",
    zh="检查容器是否还在运行，{address} 是否还在转换该端口（`docker ps`、`iptables -t nat -vnL DOCKER`）：重新加载防火"
    "墙会去掉 Docker 的规则，`systemctl restart docker` 会恢复；带 REJECT --reject-with tcp-reset 的规则看起来一样",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """By how much nearer the RST comes from than the answers before, and what the port was translated to then."""
    if not refused.accepted_before or not (ttls := nearer_ttl(context, refused.rows)):
        return None
    (ttl, usual), address = ttls, refused.address
    backend = backend_of(context, address, refused.port)
    behind = BACKEND.fill(backend=backend) if backend else ""
    return Clue(
        FIX.fill(address=address),
        SAYS.fill(ttl=ttl, usual=usual, address=address, backend=behind),
        {"ttl": ttl, "usual_ttl": usual, "backend": backend},
        says_all=True,
    )
