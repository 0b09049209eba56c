"""Making a lab: on this machine's kernel, or inside User-Mode Linux."""

from __future__ import annotations

from collections.abc import Callable

from capnet.lab import addressing, lab_lock, record, requirements
from capnet.lab.addressing import Lab
from capnet.lab.daemon import dockerd, image
from capnet.lab.netns import network
from capnet.lab.uml import inner, machine

Progress = Callable[[str], None]


def build_in_uml(lab: Lab, made: record.LabRecord, lock: int, progress: Progress) -> None:
    """Boots User-Mode Linux and makes the lab inside. The caller holds the lab's lock."""
    made.will_make(record.ResourceKind.MACHINE, machine.release() or "")
    progress(f"starting User-Mode Linux {machine.release()}: a process, with this machine's files, without a network")
    machine.wait(lab.folder, machine.start(lab.folder))
    progress("it answers; making the lab inside")
    inner.up(lab.folder, progress)
    lab_lock.prepare(lab.folder)
    made.mark_ready()


def build(lab: Lab, made: record.LabRecord, lock: int, progress: Progress) -> None:
    """Makes the network, the daemons and the image. The caller holds the lab's lock, whose descriptor is `lock`."""
    progress(f"network {addressing.GATEWAY}/{addressing.PREFIX_LENGTH}: a bridge, hosts A and B on it, no route out")
    network.make(lab, made, lock)
    progress("starting a Docker daemon on each host")
    pids = {host.name: dockerd.start(host, made, lock) for host in lab.hosts.values()}
    busybox = requirements.static_busybox()
    assert busybox is not None  # requirements.check() has found it
    archive = image.root_file_system(busybox)
    for host in lab.hosts.values():
        version = dockerd.wait(host, pids[host.name])
        progress(f"host {host.name} {host.address}: Docker {version} at {host.docker_url}")
        image.load(host, archive)
    progress(f"image {addressing.IMAGE} on both, made from {busybox} (no registry is asked)")
    lab_lock.prepare(lab.folder)
    made.mark_ready()
