"""container: two containers in one network namespace, with one MAC and one address between them.

Told apart by: an address that talks to itself over loopback, client and server both behind it, and that is a
container's elsewhere.
Looks alike: one container that calls itself, a health check for instance; packets have no process number.
Calls to 127.0.0.1 alone say nothing: every namespace has that address, also the host's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.results import Evidence
from capnet.analysis.core.wording import Text
from capnet.analysis.facts.layer2.model import LOOPBACK_IP, LoopbackConversation
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models.container_signs import container_macs
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign

if TYPE_CHECKING:
    from capnet.topology import Container


def container_talks_to_itself(context: Context) -> Iterator[Sign]:
    """An address talks to itself over loopback that is a container's, by its MAC or by the name of its interface.

    Wrong when: one container calls itself by its own address.
    """
    for conversation in _named(context):
        if conversation.ip in _container_ips(context):
            yield _to_itself(context, conversation)
            return


def sharing_containers(context: Context) -> list[Container]:
    """Containers that use the network namespace of another one, by the topology."""
    containers = context.topology.containers if context.topology else []
    return [container for container in containers if container.shares_network_with]


@derived
def best_conversation(context: Context) -> LoopbackConversation | None:
    """The loopback conversation that says most: of a container's address, else at the loopback of a container."""
    of_container = (conversation for conversation in _named(context) if conversation.ip in _container_ips(context))
    conversations = layer2_segments(context).loopback_conversations
    beside = (conversation for conversation in conversations if _is_beside(context, conversation))
    return next(of_container, None) or next(beside, None)


def conversation_frames(context: Context) -> list[Evidence]:
    """The first frames of the loopback conversations."""
    conversations = layer2_segments(context).loopback_conversations[:MAX_SIGN_FRAMES]
    return [context.evidence(conversation.point, conversation.frame) for conversation in conversations]


def _named(context: Context) -> list[LoopbackConversation]:
    """Conversations of addresses other than 127.0.0.1."""
    conversations = layer2_segments(context).loopback_conversations
    return [conversation for conversation in conversations if conversation.ip != LOOPBACK_IP]


def _to_itself(context: Context, conversation: LoopbackConversation) -> Sign:
    point = context.points[conversation.point].name
    says = Text(
        en="{ip} talks to itself at {point}: client and server are in one network namespace",
        zh="{ip} 在 {point} 与自己通信：客户端和服务器在同一个网络命名空间",
    ).fill(ip=conversation.ip, point=point)
    return Sign(says, [context.evidence(conversation.point, conversation.frame), *_outside(context, conversation.ip)])


def _outside(context: Context, ip: str) -> list[Evidence]:
    """Frames of the address with its MAC, at other points."""
    mac = _container_ips(context).get(ip)
    if mac is None:
        return []
    flows = context.flows
    points = [point for point, stations in layer2_segments(context).speakers.items() if mac in stations]
    is_from_mac = (flows[:, schema.FLOW_SMAC] == mac) & is_one_of(flows[:, schema.FLOW_POINT], points)
    rows = np.flatnonzero(is_from_mac)[: MAX_SIGN_FRAMES - 1].tolist()
    return context.first_frames(rows)


@derived
def _container_ips(context: Context) -> dict[str, int]:
    """Address → MAC of containers, by their MACs and by the names of their interfaces."""
    segments = layer2_segments(context)
    macs = {container.ip: container.mac for container in container_macs(context).values()}
    for point, stations in segments.speakers.items():
        if context.points[point].role != "container":
            continue
        for mac, speaker in stations.items():
            if point in segments.interface_points.get(mac, ()):
                macs.update(dict.fromkeys(speaker.own_ips, mac))
    return macs


def _is_beside(context: Context, conversation: LoopbackConversation) -> bool:
    """Is it at the loopback of a container of which another interface was captured, by the names of the points?"""
    name = context.points[conversation.point].name
    container = name.rpartition("/")[0]
    siblings = [point for point in context.points if point.name.rpartition("/")[0] == container and point.name != name]
    return bool(container) and container != host_of(name) and any(point.packets for point in siblings)
