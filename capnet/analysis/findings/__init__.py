"""Diagnoses: judgements on the facts, each with a name, a level, one sentence, evidence and what to do about it.

One diagnosis per file; its docstring is its manual page. A new one costs its file and, here, its name twice.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.findings import (
    arp_unanswered,
    asymmetric_path,
    capture_dropped_packets,
    checksum_offload,
    client_ip_lost,
    clock_skew,
    connection_refused,
    dns_failure,
    duplicate_ip,
    duplicate_observation,
    encrypted_overlay,
    foreign_vtep,
    macvlan_host_isolation,
    mtu_blackhole,
    no_return_route,
    not_all_looked_at,
    not_masqueraded,
    offload_oversize_frames,
    overlay_mtu_exceeded,
    packet_loss,
    proxied_not_rewritten,
    published_port_blocked,
    retransmissions,
    sequence_gap,
    source_port_collision,
    tunnel_one_way,
)

DIAGNOSES = (
    arp_unanswered,
    asymmetric_path,
    capture_dropped_packets,
    checksum_offload,
    client_ip_lost,
    clock_skew,
    connection_refused,
    dns_failure,
    duplicate_ip,
    duplicate_observation,
    encrypted_overlay,
    foreign_vtep,
    macvlan_host_isolation,
    mtu_blackhole,
    no_return_route,
    not_all_looked_at,
    not_masqueraded,
    offload_oversize_frames,
    overlay_mtu_exceeded,
    packet_loss,
    proxied_not_rewritten,
    published_port_blocked,
    retransmissions,
    sequence_gap,
    source_port_collision,
    tunnel_one_way,
)


def findings(context: Context) -> list[Finding]:
    """Everything worth telling, in order of name."""
    return [finding for diagnosis in DIAGNOSES for finding in diagnosis.diagnose(context)]
