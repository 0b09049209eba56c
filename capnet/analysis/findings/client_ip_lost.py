"""client-ip-lost: a server sees another address than its client's.

Looks at: proxied connections, and translations that rewrite both ends (Swarm's ingress and service
addresses, hairpins).
Says: which addresses the servers see instead, for how many connections.
Wrong when: the address in between is meant to be the client (a reverse proxy one knows of).
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.proxies import proxy_facts


def diagnose(context: Context) -> list[Finding]:
    seen_as: dict[str, list[tuple[str, list[Evidence]]]] = {}
    for proxy in proxy_facts(context):
        if proxy.client_side.src != proxy.server_side.src:
            seen_as.setdefault(proxy.server_side.src, []).append((proxy.client_side.src, proxy.evidence))
    for row in nat_facts(context):
        if row.kind == "snat+dnat" and row.before.src != row.after.src:
            seen_as.setdefault(row.after.src, []).append((row.before.src, row.evidence[:2]))
    return [
        Finding(
            "client-ip-lost",
            "info",
            f"servers see {address} instead of the client in {plural(len(seen_as[address]), 'connection')}",
            "publish the port in host mode, or have the proxy say who asked (PROXY protocol, X-Forwarded-For)",
            {
                "seen_as": address,
                "clients": sorted({client for client, _ in seen_as[address]})[:20],
                "connections": len(seen_as[address]),
            },
            [each for _, evidence in seen_as[address] for each in evidence][:10],
        )
        for address in sorted(seen_as)
    ]
