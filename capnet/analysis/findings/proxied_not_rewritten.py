"""proxied-not-rewritten: connections to a published port went through docker-proxy, not through NAT.

Looks at: pairs of connections that carry one payload (`facts.proxies`).
Says: how many; the container sees the proxy's address as its client.
Wrong when: two applications really pass on the same payload one inside the other.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.proxies import proxy_facts


def diagnose(context: Context) -> list[Finding]:
    rows = proxy_facts(context)
    if not rows:
        return []
    ports = sorted({row.client_side.dport for row in rows if row.client_side.dport is not None})
    return [
        Finding(
            "proxied-not-rewritten",
            "info",
            f"{plural(len(rows), 'connection')} to port {', '.join(map(str, ports))} ended at a proxy, which opened "
            f"{'another one' if len(rows) == 1 else 'others'} to the container",
            "the kernel's DNAT does without it: set `userland-proxy` to false, and mind that the host's own addresses "
            "then need a hairpin",
            {"connections": len(rows), "ports": ports},
            [each for row in rows for each in row.evidence][:10],
        )
    ]
