"""What this machine can do, and how to get what it cannot: questions only, nothing is changed.

Works without root and without Docker; what only root can find out is reported as unknown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from capnet.errors import CapnetError
from capnet.lab import requirements
from capnet.lab.uml import machine, processor
from capnet.record.find import kernel_features
from capnet.record.find.runtimes.bundles import OciContainer, list_bundles
from capnet.record.remote.docker_host import connect
from capnet.record.remote.shell import Shell
from capnet.scenario import library
from capnet.scenario.docker.image import DEFAULT as DEFAULT_IMAGE
from capnet.scenario.preflight.plan import plan_of
from capnet.scenario.preflight.programs import missing_here

_SYSTEMD = Path("/run/systemd/system")  # there where systemd is process 1, sd_booted(3)


class Presence(StrEnum):
    """Whether a thing is there."""

    YES = "yes"
    NO = "no"
    UML = "uml"  # not with this kernel, but in a lab with User-Mode Linux
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One thing. `found` says what is there or why it is not; `get` is the command that gets what is missing."""

    part: str
    what: str
    state: Presence
    found: str = ""
    get: str | None = None


@dataclass(frozen=True)
class Play:
    """How a scenario can be played in a lab on this machine: with its kernel, in User-Mode Linux, or not."""

    scenario: str
    state: Presence
    found: str = ""


_FEATURES = {  # record.find.kernel_features.FEATURES: (in words, the module that brings it)
    "bridge": ("bridges", "bridge"),
    "veth": ("veth pairs", "veth"),
    "vxlan": ("VXLAN, for overlay networks", "vxlan"),
    "nat": ("NAT, for masquerade and published ports", "iptable_nat xt_MASQUERADE"),
    "macvlan": ("macvlan", "macvlan"),
    "ipvlan": ("ipvlan", "ipvlan"),
    "8021q": ("802.1q VLANs", "8021q"),
    "ip_vs": ("IPVS, for service VIPs and the ingress port", "ip_vs"),
    "esp": ("ESP, for encrypted overlays", "esp4 xt_u32"),
    "netem": ("netem, for made loss and delay", "sch_netem"),
}

_LISTENING = {  # program: (what it is for, Debian package)
    "dumpcap": ("captures, with nanoseconds", "wireshark-common"),
    "tcpdump": ("captures where there is no dumpcap", "tcpdump"),
    "tshark": ("the second opinion of capnet packet", "tshark"),
    "conntrack": ("the kernel's own word on NAT, beside each capture", "conntrack"),
}


def examine() -> tuple[list[Check], list[Play]]:
    """Everything, in the order in which a person needs it."""
    features = _features()
    checks = [*_docker(), *_pods(), *_listening(), *_kernel(features), *_lab(), *_uml()]
    return checks, list(_plays(features, checks))


def as_json(checks: Iterable[Check], plays: Iterable[Play]) -> dict[str, Any]:
    """What `--format json` prints."""
    return {
        "schema": "capnet.doctor/1",
        "checks": [asdict(check) for check in checks],
        "scenarios": [asdict(play) for play in plays],
    }


def _docker() -> Iterator[Check]:
    try:
        host = connect()
    except CapnetError as error:
        yield Check("Docker", "daemon", Presence.NO, str(error), _cure(str(error)))
        yield Check("Docker", f"image {DEFAULT_IMAGE}", Presence.UNKNOWN, "no daemon to ask")
    else:
        with closing(host):
            api = host.client.version()["ApiVersion"]
            yield Check("Docker", "daemon", Presence.YES, f"Docker {host.version}, API {api}, at {host.shown_url}")
            yield _image(host.client)
    if requirements.static_busybox():
        yield Check("Docker", "static busybox", Presence.YES, "the image can be made of it, without a registry")
    else:
        yield _missing("Docker", "static busybox", "busybox-static", "makes the image where no registry answers")


def _pods() -> Iterator[Check]:
    """Containers of other runtimes, if there are any that can be seen: they are root's."""
    running: list[OciContainer] = []
    if sys.platform.startswith("linux"):
        with suppress(CapnetError):
            running = [each for each in list_bundles(Shell("self")).containers if each.pid]
    pods = len({each.sandbox for each in running if each.sandbox})
    others = sum(not each.sandbox for each in running)
    if running:
        runtimes = ", ".join(sorted({each.runtime for each in running}))
        yield Check("pods", runtimes, Presence.YES, f"pods: {pods}; containers outside pods: {others}")


def _cure(reason: str) -> str:
    """The command that brings the daemon that Docker's own environment means."""
    if "Permission denied" in reason:
        return "sudo capnet …"
    if chosen := [name for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if os.environ.get(name)]:
        return f"unset {chosen[0]}"
    if not requirements.find("dockerd"):
        return "sudo apt-get install docker.io"
    return "sudo systemctl start docker" if _SYSTEMD.exists() else "sudo service docker start"


def _image(client: Any) -> Check:
    from docker.errors import ImageNotFound

    try:
        client.images.get(DEFAULT_IMAGE)
    except ImageNotFound:
        return Check(
            "Docker", f"image {DEFAULT_IMAGE}", Presence.NO, "a scenario pulls or makes it", "docker pull busybox"
        )
    return Check("Docker", f"image {DEFAULT_IMAGE}", Presence.YES)


def _listening() -> Iterator[Check]:
    for program, (purpose, package) in _LISTENING.items():
        if requirements.find(program):
            yield Check("listening", program, Presence.YES, _version(program))
        else:
            yield _missing("listening", program, package, purpose)
    if os.geteuid() == 0:
        yield Check("listening", "permission", Presence.YES, "root")
    elif _succeeds(["sudo", "-n", "true"]):
        yield Check("listening", "permission", Presence.YES, "sudo asks for no password")
    else:
        yield Check("listening", "permission", Presence.NO, "namespaces and interfaces are root's", "sudo capnet …")


def _kernel(features: dict[str, bool | None]) -> Iterator[Check]:
    cannot_run = processor.lack() is not None
    offers_more = not cannot_run and not machine.missing()
    for name, has in features.items():
        words, module = _FEATURES[name]
        if has:
            yield Check("kernel", name, Presence.YES, words)
        elif has is None:
            yield Check("kernel", name, Presence.UNKNOWN, f"{words}: needs root, iproute2 and kmod to be found out")
        elif offers_more:
            yield Check("kernel", name, Presence.UML, f"{words}: in User-Mode Linux", "sudo capnet lab up --kernel uml")
        else:
            get = f"sudo modprobe -a {module}" + ("" if cannot_run else " || sudo apt-get install user-mode-linux")
            yield Check("kernel", name, Presence.NO, words, get)


def _lab() -> Iterator[Check]:
    absent = requirements.missing_programs()
    for program, package in requirements.PACKAGES.items():
        if program in absent:
            yield _missing("lab", program, package, "")
        else:
            yield Check("lab", program, Presence.YES, requirements.find(program) or "")
    if os.geteuid() == 0:
        yield Check("lab", "root", Presence.YES)
    else:
        yield Check("lab", "root", Presence.NO, "a lab is made of namespaces", "sudo capnet lab up")


def _uml() -> Iterator[Check]:
    absent = machine.missing()
    for program, package in machine.PACKAGES.items():
        if program in absent:
            yield _missing("lab, uml", program, package, "the lab's second kernel")
        else:
            yield Check("lab, uml", program, Presence.YES, requirements.find(program) or "")
    if release := machine.release():
        yield Check("lab, uml", "kernel modules", Presence.YES, f"Linux {release}, in {machine.MODULES}")
    else:
        yield _missing("lab, uml", "kernel modules", "user-mode-linux", f"none in {machine.MODULES}")
    if processor.lack():
        yield Check("lab, uml", "processor", Presence.NO, processor.REASON, "sudo capnet lab up --kernel native")


def _plays(features: dict[str, bool | None], checks: list[Check]) -> Iterator[Play]:
    """What keeps a lab from being made keeps every scenario; what a kernel lacks, those that need it.

    Root is not among it: the command that plays one begins with sudo.
    """
    parts = [
        check.what
        for check in checks
        if check.part == "lab" and check.state is not Presence.YES and check.what != "root"
    ]
    cannot_run = processor.lack() is not None
    for name in library.files():
        needed = (*kernel_features.LAB_FEATURES, *library.kernel_needs(name))
        lacking = [feature for feature in needed if features[feature] is False]
        unknown = [feature for feature in needed if features[feature] is None]
        if parts:
            yield Play(name, Presence.NO, f"the lab lacks {', '.join(parts)}")
        elif absent := missing_here(plan_of(name, library.load(name))):
            yield Play(name, Presence.NO, f"this machine lacks {', '.join(absent)}")
        elif lacking and cannot_run:
            yield Play(name, Presence.NO, f"this kernel lacks {', '.join(lacking)}, and {processor.REASON}")
        elif lacking and machine.missing():
            yield Play(name, Presence.NO, f"this kernel lacks {', '.join(lacking)}, and there is no User-Mode Linux")
        elif lacking:
            yield Play(name, Presence.UML, f"this kernel lacks {', '.join(lacking)}")
        elif unknown:
            yield Play(name, Presence.UNKNOWN, f"needs {', '.join(unknown)}")
        else:
            yield Play(name, Presence.YES)


def _features() -> dict[str, bool | None]:
    if not sys.platform.startswith("linux"):
        return dict.fromkeys(kernel_features.FEATURES)
    try:
        return kernel_features.features()
    except CapnetError:
        return dict.fromkeys(kernel_features.FEATURES)


def _missing(part: str, what: str, package: str, purpose: str) -> Check:
    return Check(part, what, Presence.NO, purpose, f"sudo apt-get install {package}")


def _version(program: str) -> str:
    try:
        done = subprocess.run(
            [requirements.find(program) or program, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not run"
    version = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
    return version.group() if version else ""


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
