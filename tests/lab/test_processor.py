"""Which processors, kernels and console lines say that User-Mode Linux cannot run."""

from __future__ import annotations

import pytest

from capnet.lab.uml import processor

AMX = "processor\t: 0\nflags\t\t: fpu vme avx512f amx_bf16 amx_tile amx_int8 flush_l1d\nbugs\t\t: spectre_v1\n"
NO_AMX = "processor\t: 0\nflags\t\t: fpu vme avx512f flush_l1d\nbugs\t\t: amx_tile\n"


@pytest.mark.parametrize("uml_version", ["6.1.176", "5.10.5", "6.12.1"])
def test_uml_without_room_for_amx_cannot_run(uml_version: str) -> None:
    assert processor.lack_by_flags(AMX, "6.18.44-amd64", uml_version) == processor.LACK


@pytest.mark.parametrize(
    ("cpuinfo", "release", "uml_version"),
    [
        (NO_AMX, "6.18.44", "6.1.176"),
        ("", "6.18.44", "6.1.176"),
        (AMX, "6.18.44", "6.13.0"),
        (AMX, "6.18.44", "7.0"),
        (AMX, "5.10.0-28-amd64", "6.1.176"),
        (AMX, "6.18.44", ""),
    ],
    ids=["no AMX", "no flags", "first UML with room", "later UML", "kernel keeps AMX off", "UML not installed"],
)
def test_uml_not_surely_unable_may_run(cpuinfo: str, release: str, uml_version: str) -> None:
    assert processor.lack_by_flags(cpuinfo, release, uml_version) is None


def test_console_with_the_panic_names_the_processor() -> None:
    console = (
        "Failed to initialize ubd device 0 :Couldn't determine size of device's file\n"
        "userspace - ptrace set fp regs failed, errno = 14\n"
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
    )
    assert processor.lack_by_console(console) == processor.LACK


def test_console_with_another_panic_names_no_processor() -> None:
    console = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n"
    assert processor.lack_by_console(console) is None
