"""`capnet image`: the image of the capture container, without a registry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capnet import language
from capnet.cli.docker_hosts import hosts_option

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group("image", short_help="The image with which capnet captures without root.")
def command() -> None:
    """The image with which capnet captures where it is not root, and behind tcp://.

    It is made of this machine's programs (dumpcap or tcpdump, nsenter, ip, conntrack, iptables-save, …) and their
    shared libraries; no registry is asked. capnet makes it by itself where the daemon has none and the processor is
    the same. These commands bring it elsewhere:

    \b
    capnet image save | ssh node docker load
    capnet image save -o capture.tar
    capnet image load capture.tar --host tcp://b:2376
    """


@command.command("build", short_help="Make the image and load it into the daemon.")
@hosts_option
def build(hosts: tuple[str, ...]) -> None:
    """Make the image of this machine's programs, and load it into the daemon."""
    from capnet.cli.docker_hosts import open_docker_hosts
    from capnet.record.remote.image.daemon_image import load_image, make_for

    with open_docker_hosts(hosts) as opened:
        for host in opened:
            archive = make_for(host.client.info())
            load_image(host.client, archive.data)
            click.echo(f"{host.name}: {archive.tag}, {len(archive.data) / 1e6:.0f} MB")


@command.command("save")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there. Default: standard output."
)
def save(output: Path | None) -> None:
    """Write the image as an archive that `docker load` takes. Needs no Docker."""
    from capnet.errors import UsageError
    from capnet.record.remote.image.archive import make_archive

    if output is None and (sys.stdout is None or sys.stdout.isatty()):
        raise UsageError("an archive is nothing to look at: name a file with -o, or pipe it: … | ssh node docker load")
    archive = make_archive()
    if output is None:
        sys.stdout.buffer.write(archive.data)
        sys.stdout.buffer.flush()
        return
    from capnet.whole_file import not_written

    try:
        output.write_bytes(archive.data)
    except OSError as error:
        raise not_written(output, error) from error
    click.echo(language.message(f"{archive.tag}, {len(archive.data) / 1e6:.0f} MB in {output}"), err=True)


@command.command("load")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@hosts_option
def load(archive: Path, hosts: tuple[str, ...]) -> None:
    """Load a saved image into the daemon; - is standard input."""
    from capnet.cli.docker_hosts import open_docker_hosts
    from capnet.errors import UsageError
    from capnet.record.remote.image.daemon_image import load_image

    try:
        data = sys.stdin.buffer.read() if str(archive) == "-" else archive.read_bytes()
    except OSError as error:
        raise UsageError(f"{archive}: cannot be read ({error.strerror})") from error
    with open_docker_hosts(hosts) as opened:
        for host in opened:
            click.echo(f"{host.name}: {load_image(host.client, data)}")


@command.command("rm", short_help="Remove the image from the daemon.")
@hosts_option
def remove(hosts: tuple[str, ...]) -> None:
    """Remove the image from the daemon, and what older versions of capnet left of it."""
    from capnet.cli.docker_hosts import open_docker_hosts
    from capnet.record.remote.image.daemon_image import remove_images

    with open_docker_hosts(hosts) as opened:
        for host in opened:
            names: Sequence[str] = remove_images(host.client)
            click.echo(language.message(f"{host.name}: {', '.join(names) or 'no capture image is there'}"))
