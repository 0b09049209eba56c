"""The folder of a fleet: one run at a time, with options that stay, and with results of its captures alone."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from os import urandom
from pathlib import Path
from time import monotonic, sleep

from capnet import __version__
from capnet.errors import EnvironmentLacks, UsageError
from capnet.fleet.job import CONNECTIONS, RECORDS, REPORTS, TABLES, TRANSLATIONS, FleetOptions
from capnet.whole_file import kind_of, make_folder, whole

SCHEMA = "capnet.fleet.options/1"
OPTIONS, LOCK, RUN = "options.json", ".lock", ".run"
JOINED = "joined"  # connections of several captures: a table of all, of one file
KINDS = (REPORTS, RECORDS, CONNECTIONS, TRANSLATIONS, *TABLES)
LOCK_WAIT_S = 5.0  # processes of a run that was killed end within this


@contextmanager
def fleet_folder(folder: Path) -> Iterator[None]:
    """The folder is there, and no other run writes into it. UsageError for a folder that holds something else."""
    try:
        entries = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        if entries - {LOCK} and OPTIONS not in entries:
            raise UsageError(f"{folder}: is not empty, and no folder of capnet fleet; name another one")
        make_folder(folder)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise kind_of(error)(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        _lock(handle, folder)
        _remove_unfinished(folder)
        try:
            yield
        finally:
            _remove_unfinished(folder)
    finally:
        os.close(handle)


def begin_run(folder: Path) -> str:
    """A name for this run, which workers of other hosts find in the folder as long as it goes on."""
    name = urandom(8).hex()
    with whole(folder / RUN) as file:
        file.write(name.encode())
    return name


def current_run(folder: Path) -> str:
    """The name of the run that goes on; empty if there is none."""
    try:
        return (folder / RUN).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def end_run(folder: Path) -> None:
    """Workers stop after the capture that they are analyzing."""
    (folder / RUN).unlink(missing_ok=True)


def options_of(folder: Path, format_: str | None, vxlan_port: int | None, topology: Path | None = None) -> FleetOptions:
    """The options of all runs in a folder: those of the first. UsageError where others are asked for.

    Another topology is no other fleet: captures are analyzed anew with it.
    """
    kept = _read_options(folder)
    path = str(topology.absolute()) if topology else ""
    if kept is None:
        return FleetOptions(format_ or _usual_format(), vxlan_port or 0, path)
    kept = kept._replace(topology=path or kept.topology)
    asked = kept._replace(
        format_=format_ or kept.format_, vxlan_port=kept.vxlan_port if vxlan_port is None else vxlan_port
    )
    if asked != kept:
        raise UsageError(
            f"{folder}: was made with --to {kept.format_}, --vxlan-port {kept.vxlan_port or 'not given'}; "
            "name another folder for other options"
        )
    return kept


def keep_options(folder: Path, options: FleetOptions) -> None:
    """Write the options for the runs that follow."""
    if _read_options(folder) != options:
        kept = {"schema": SCHEMA, "made_by": f"capnet {__version__}", **options._asdict()}
        try:
            with whole(folder / OPTIONS) as file:
                file.write(json.dumps(kept).encode() + b"\n")
        except OSError as error:
            raise kind_of(error)(f"{folder}: cannot be written ({error.strerror or error})") from error


def other_results(folder: Path, ids: Collection[str]) -> list[Path]:
    """Files of captures that are not among these. UsageError if all results are: then another folder was meant."""
    files = [file for kind in KINDS for file in sorted((folder / kind).glob("*")) if not file.name.startswith(".")]
    done = {file.stem for file in files if file.parent.name == RECORDS}
    others = [file for file in files if file.name.partition(".")[0] not in ids]
    if done and done.isdisjoint(ids):
        raise UsageError(f"{folder}: has results of other captures alone; name another folder, or remove it")
    return others


def _read_options(folder: Path) -> FleetOptions | None:
    try:
        kept = json.loads((folder / OPTIONS).read_bytes())
        return FleetOptions(str(kept["format_"]), int(kept["vxlan_port"]), str(kept.get("topology", "")))
    except OSError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / OPTIONS}: is damaged; remove the folder, or name another one") from error


def _usual_format() -> str:
    """Parquet where pyarrow is installed, else CSV."""
    from importlib.util import find_spec

    return "parquet" if find_spec("pyarrow") else "csv"


def _lock(handle: int, folder: Path) -> None:
    deadline = monotonic() + LOCK_WAIT_S
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() > deadline:
                raise EnvironmentLacks(f"{folder}: another capnet fleet writes there; wait for its end") from error
            sleep(0.05)


def _remove_unfinished(folder: Path) -> None:
    """Files that a killed process was writing: `whole` calls them .NAME.RANDOM. The name of a run that was killed."""
    for place in (folder, *(folder / kind for kind in (*KINDS, JOINED))):
        for file in place.glob(".*"):
            if file.name != LOCK:
                with suppress(OSError):
                    file.unlink()
