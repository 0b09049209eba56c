"""Names of the JSON contract `capnet.report/1`. Imports nothing, so that help texts can list them quickly."""

from __future__ import annotations

SCHEMA = "capnet.report/1"
ALWAYS = ("schema", "made_by", "inputs", "points", "coverage", "names", "names_at", "correlation")
SECTIONS = (
    "models", "stations", "macs", "nat", "proxies", "tunnels", "paths", "flows", "findings", "fates", "icmp_errors",
    "neighbours", "kernel", "conversations", "protocols",
)  # fmt: skip
MAX_LISTED = 200  # paths, fates, ICMP errors and neighbours: a reader looks at the first ones, and each costs a walk
LEVELS = ("error", "warning", "info")  # of findings, worst first
FATES = (  # of flows, worst first
    "looped", "stops-at", "answer-stops-at", "answered-by", "loses", "repeated", "unknown", "copied", "delivered",
)  # fmt: skip
FILES_BESIDE = {  # problem → the file that it is about; the capture itself is whole
    "unreadable-topology": "Topology",
    "topology-does-not-fit": "Topology",
    "topology-of-another-time": "Topology",
    "unreadable-witnesses": "Witnesses",
}
