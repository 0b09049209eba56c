"""The house rules on imports: no arrow to the right, no circle of files, and only the edges touch the world.

The graph is that of files, whether a file imports at its top, inside a function, or for type checkers only.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.syntax import parsed, statements

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "capnet"

# Floors of each folder from left to right; names on one floor are separated by a space. A part may import its own
# floor, as long as no circle of files comes of it, and those to its left.
FLOORS = {
    "capnet": (
        "chinese errors interrupts jit json_file quick_dataclass quick_import quick_tuple", "language table whole_file",
        *("wire topology", "one_frame witnesses", "analysis", "report", "export", "fleet learn mcp reduce", "record"),
        *("scenario", "lab", "wireshark", "cli", "extcap", "testing", "pytest_plugin"),
    ),
    "capnet.wire": (
        "octets numbers fields addresses tunnel_kinds", "icmp_names protocols", "tables", "block formats",
        "any_interfaces digest", "decode", "capture", "series",
    ),
    "capnet.analysis": (
        "core", "aggregate topology_fit user_mode_networks witness_files", "correlate", "fate", "facts filters",
        "findings", "fact_tables", "pipeline", "engine", "trace", "tables",
    ),
    "capnet.analysis.tables": (
        "coded names", "flows", "chosen_facts conversations", "protocols frames", "library",
    ),
    "capnet.analysis.correlate": (
        "flow_similarity link_votes lost_octets order", "duplicates flow_links translation_evidence",
        "clock_evidence", "clocks tcp_gaps", "recording_pauses", "loss packet_matching", "link_building",
    ),
    "capnet.report": (
        "escape manual text wanted", "words", "fate_words wireshark", "grouping", "drawing",
        "headline models", "summary", "sections",
        "card comparison formats inventory live_view network page trace",
    ),
    "capnet.fleet": ("captures dataset joined job", "folder", "report", "one_capture", "dask_workers pool", "run"),
    "capnet.fleet.joined": ("connections", "published", "translations", "aliases", "joining", "table"),
    "capnet.fleet.report": ("baseline merge sections summary", "text", "html"),
    "capnet.learn": (
        "captures truth_sources", "marked_dump recording", "question", "lessons session",
    ),
    "capnet.record": ("polling run_id", "remote", "find", "saved kernel taps", "bundle", "live targets"),
    "capnet.scenario": (
        "commands library skeleton undo wait", "docker name_server parent_nic", "container", "host",
        "pods", "session", "bundle preflight", "runner", "checks", "faults",
    ),
    "capnet.scenario.bundle": ("bundle_writer", "failed_run"),
    "capnet.scenario.preflight": ("plan running", "programs", "preflight"),
    "capnet.scenario.pods": ("cni kube_api_server", "pod_network", "flannel", "kube_proxy"),
    "capnet.scenario.faults": (
        "dns namespace services", "clients", "node", "recorded", "docker_network network", "vxlan", "library",
        "play", "verdict",
    ),
    "capnet.scenario.checks": ("observed", "common_checks", "checks"),
    "capnet.extcap": (
        "arguments capture_filter docker_hosts docker_socket", "interfaces", "capture", "program",
    ),
    "capnet.wireshark": ("sentences", "launcher mark program", "parts reading", "installation"),
    "capnet.lab": (
        "addressing requirements", "commands record", "lab_lock", "daemon", "netns",
        "build lab scenario_runner uml undo", "doctor host_status",
    ),
}  # fmt: skip

EDGES = {"fleet", "record", "scenario", "lab", "wireshark", "cli", "extcap", "testing", "one_frame"}
WORLD = {
    "docker",
    "click",
    "socket",
    "subprocess",
    "time",
    "random",
    "secrets",
    "asyncio",
    "requests",
    "scapy",
    "pyshark",
}

FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(PACKAGE.rglob("*.py"))
}


@cache
def imported(file: Path) -> set[str]:
    """Every module or name that `file` imports anywhere, dotted."""
    names: set[str] = set()
    for node, _ in statements(parsed(file)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@cache
def graph() -> dict[str, set[str]]:
    """Module → the modules of ours that it imports. A name of a package is its `__init__`, if it is no module."""
    arrows: dict[str, set[str]] = {}
    for module, file in FILES.items():
        targets = set()
        for name in imported(file):
            while name and name not in FILES:
                name = name.rpartition(".")[0]
            # `capnet` itself names its public things lazily; who imports it wants its version.
            if name and name not in (module, "capnet"):
                targets.add(name)
        arrows[module] = targets
    return arrows


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for target in sorted(arrows[module]):
            if target not in order:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], order[target])
        if low[module] == order[module]:
            at = stack.index(module)
            components.append(sorted(stack[at:]))
            del stack[at:]

    for module in sorted(arrows):
        if module not in order:
            visit(module)
    return [component for component in components if len(component) > 1]


def test_no_circle_of_files():
    assert circles(graph()) == []


@pytest.mark.parametrize("folder", FLOORS)
def test_no_import_to_the_right(folder):
    floor = {part: number for number, parts in enumerate(FLOORS[folder]) for part in parts.split()}
    for module, targets in graph().items():
        here = part_of(module, folder)
        for target in targets:
            there = part_of(target, folder)
            if here in floor and there in floor:
                assert floor[there] <= floor[here], f"{module} may not import {target}"


@pytest.mark.parametrize("folder", FLOORS)
def test_every_part_has_its_floor(folder):
    """A new file or folder must be given a place in FLOORS, or the test above would not look at it."""
    parts = {part_of(module, folder) for module in FILES} - {None, "__main__"}
    assert parts == {part for parts in FLOORS[folder] for part in parts.split()}


def test_every_folder_has_its_row_in_the_design() -> None:
    table = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("## The folders")[2]
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert {folder for folder in folders if f"`capnet/{folder}`" not in table} == set()


@pytest.mark.parametrize("module", FILES)
def test_only_edges_touch_the_world(module):
    if part_of(module, "capnet") in EDGES or module == "capnet.__main__":
        return
    for name in imported(FILES[module]):
        assert name.split(".")[0] not in WORLD, f"{name} belongs to the edges"


def part_of(module: str, folder: str) -> str | None:
    """`capnet.wire.formats.pcap` in `capnet.wire` → formats; None for what is not below it."""
    prefix = folder + "."
    return module.removeprefix(prefix).split(".")[0] if module.startswith(prefix) else None
