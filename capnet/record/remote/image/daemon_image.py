"""The capture image at a daemon: whether it is there, loading it, removing it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.record.remote.image.archive import ARCHITECTURES, FORMAT, LABEL, ImageArchive, make_archive

_LOAD = "make it on such a machine with `capnet image save -o capture.tar`, and bring it here: `capnet image load`"


def ensure_image(client: Any, say: Callable[[str], None]) -> str:
    """The id of the daemon's capture image; one made of this machine's programs is loaded if it has none.

    Raises EnvironmentLacks, with what to do, where none of this machine's programs can run there.
    """
    if images := capture_images(client):
        return str(images[0]["Id"])
    archive = make_for(client.info())
    say(f"load the image {archive.tag}, made of this machine's programs ({len(archive.data) / 1e6:.0f} MB)")
    return load_image(client, archive.data)


def make_for(info: Mapping[str, Any]) -> ImageArchive:
    """The archive of an image for the daemon that says this of itself (GET /info).

    EnvironmentLacks, with what to do, if this machine's programs cannot run there.
    """
    machine = platform.machine()
    system, processor = info.get("OSType") or "linux", info.get("Architecture") or machine
    if system != "linux":
        raise EnvironmentLacks(f"the daemon runs containers of {system}, which capnet cannot capture")
    if processor not in (machine, ARCHITECTURES.get(machine)):  # Docker says x86_64, podman amd64
        raise EnvironmentLacks(
            f"the daemon has no capture image, and runs on {processor}, this machine on {machine}; {_LOAD}"
        )
    try:
        return make_archive()
    except EnvironmentLacks as error:
        raise EnvironmentLacks(
            f"the daemon has no capture image, and none can be made here: {error}; or {_LOAD}"
        ) from error


def capture_images(client: Any) -> list[dict[str, Any]]:
    """The daemon's capture images that this version can use, as Docker lists them, the newest first."""
    images = client.api.images(filters={"label": f"{LABEL}={FORMAT}"})
    return sorted(images, key=lambda image: -int(image["Created"]))


def load_image(client: Any, data: bytes) -> str:
    """Loads an archive and returns the image's id. EnvironmentLacks for what is no capture image."""
    from docker.errors import APIError, DockerException

    try:
        images = client.images.load(data)
    except (APIError, DockerException) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise EnvironmentLacks(f"the daemon does not take the image: {reason}") from error
    for image in images:
        if image.labels.get(LABEL) == FORMAT:
            return str(image.id)
    raise EnvironmentLacks("the archive holds no capture image of this version; make one with `capnet image save`")


def remove_images(client: Any) -> list[str]:
    """Removes the daemon's capture images, those of other versions too; returns their names."""
    names = []
    for image in client.api.images(filters={"label": LABEL}):
        client.api.remove_image(image["Id"], force=True)
        names.append(" ".join(image["RepoTags"] or ()) or image["Id"])
    return names
