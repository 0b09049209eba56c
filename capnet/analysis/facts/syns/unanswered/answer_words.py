"""What a server answers that leaves SYNs unanswered, in words."""

from __future__ import annotations

from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.syns.other_answers import Kind
from capnet.analysis.facts.syns.service_groups import ServiceGroup

ANSWERS: dict[Kind, Text] = {
    "meanwhile": Text(
        en="the server accepted {accepted:other connection} before and since",
        zh="该服务器此前和此后接受了另外 {accepted} 个连接",
    ),
    "before": Text(
        en="the server accepted {accepted:connection} before, and none since",
        zh="该服务器此前接受了 {accepted} 个连接，此后没有",
    ),
    "others": Text(
        en="the server accepted {accepted:connection} of {others}", zh="该服务器接受了 {others} 的 {accepted} 个连接"
    ),
    "port": Text(en="the server accepts connections to port {other}", zh="该服务器接受到端口 {other} 的连接"),
    "refusal": Text(
        en="the server refuses connections to port {other}, so it is up",
        zh="该服务器拒绝到端口 {other} 的连接，所以它在线",
    ),
    "refused": Text(
        en="the server refused connections to this port before, and answers none since",
        zh="该服务器此前拒绝到该端口的连接，此后不再应答",
    ),
    "gone": Text(
        en="the server answered before, has sent nothing since, and questions for its MAC stay unanswered: it is down",
        zh="该服务器此前有应答，此后什么也没有发送，对其 MAC 的询问也没有应答：它已停机",
    ),
    "connects": Text(
        en="the server connects to {others} itself, and that works: it is up, and packets pass both ways",
        zh="该服务器自己连接 {others} 并且成功：它在线，双向都通",
    ),
    "later": Text(
        en="the server sent nothing until then, and afterwards connected to {others} itself",
        zh="该服务器此前没有发送过任何包，之后自己连接了 {others}",
    ),
    "ping": Text(en="the server answers pings", zh="该服务器应答 ping"),
    "nothing": Text(en="the server answered nothing else either", zh="该服务器对其他请求也没有应答"),
}
NONE_ANSWERS = Text(en="none of these servers answered anything else", zh="这些服务器对其他请求也都没有应答")
ONE_DIRECTION = Text(
    en="only their direction is recorded there, which would not show a refusal",
    zh="那里只记录了这个方向，即使被拒绝也看不到",
)


def answer_text(group: ServiceGroup) -> str:
    """What else is answered, or that the capture would not show it."""
    if group.is_one_sided:
        return ONE_DIRECTION.fill()
    if group.is_of_way_out:
        return NONE_ANSWERS.fill()
    answer = group.first.other_answer
    others = several(answer.senders or answer.clients)
    return ANSWERS[answer.kind].fill(accepted=answer.connections, other=answer.port, others=others)
