"""Machine code of kernels is kept on disk. It is made again if it is damaged, another user's, or cannot be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import Machine, kernel
from capnet.jit.key import key
from capnet.jit.store import DIRECT, platform
from capnet.wire import octets
from capnet.wire.capture import MIN_COMPILED_DIRECT, worth_compiling
from capnet.wire.formats import record
from tests.conftest import PROJECT

# One small kernel, of which no machine code comes with capnet: the sum of 3 numbers. The second word says whether a
# compiler was needed. With HEARS it prints what the compiler tells.
SUM = """
import os, sys
from capnet.jit import notices
notices.listener = print if "HEARS" in os.environ else None
import numpy as np
from capnet.jit.kernel import Machine
from tests.wire.total import total
machine = Machine(compiled=True)
print(machine.run(total)(machine.view(np.full(3, 100)), 3), "numba" in sys.modules, machine.compiled)
"""
MADE, KEPT, INTERPRETED = "300 True True\n", "300 False True\n", "300 False False\n"


def start(folder: Path, *before: str, **environment: str | None) -> subprocess.Popen[str]:
    """Run SUM in `folder`. `environment`: None unsets a variable. `before`: a command in front of Python."""
    variables = {"XDG_CACHE_HOME": None, "HOME": str(folder / "home"), "PYTHONPATH": str(PROJECT)}
    variables |= {"NUMBA_BOUNDSCHECK": None, "NUMBA_DISABLE_JIT": None} | environment
    full = {key: value for key, value in {**os.environ, **variables}.items() if value is not None}
    command = [*before, sys.executable, "-c", SUM]
    return subprocess.Popen(command, cwd=folder, env=full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, *before: str, **environment: str | None) -> str:
    out, err = (process := start(folder, *before, **environment)).communicate()
    assert (process.returncode, err) == (0, "")
    return out


def kept_file(folder: Path) -> Path:
    """The only file below `folder`."""
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose home has the machine code."""
    folder = tmp_path_factory.mktemp("cached")
    assert run(folder) == MADE
    assert kept_file(folder).parent == folder / "home" / ".cache" / "capnet"
    return folder


def test_machine_code_second_run_is_loaded(cached: Path) -> None:
    """A process that finds the file does not import numba, whichever variable leads to the folder."""
    assert run(cached) == KEPT
    assert run(cached, XDG_CACHE_HOME="relative") == KEPT  # the XDG specification has such a path ignored
    assert run(cached, XDG_CACHE_HOME=str(cached / "home" / ".cache"), HOME=None) == KEPT
    assert kept_file(cached).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\xff" * 100),
        lambda file: file.chmod(0o622),
        lambda file: (file.unlink(), file.symlink_to("nowhere")),
    ],
    ids=["cut", "empty", "no text", "writable by others", "a link to nothing"],
)
def test_machine_code_damaged_or_exposed_is_made_again(cached: Path, spoil, tmp_path: Path) -> None:
    """A file that is damaged, or that other users may have written, is never run."""
    shutil.copytree(cached / "home", tmp_path / "home")
    file = kept_file(tmp_path)
    spoil(file)
    assert run(tmp_path) == MADE
    assert run(tmp_path) == KEPT


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_machine_code_of_another_user_is_made_again(cached: Path, tmp_path: Path) -> None:
    """The file belongs to a user who is neither this one nor root."""
    shutil.copytree(cached / "home", tmp_path / "home")
    os.chown(kept_file(tmp_path), 12345, 12345)
    assert run(tmp_path) == MADE


@pytest.mark.parametrize("where", ["/dev/null", "/proc/nowhere", "file"])
def test_machine_code_without_folder_is_made_each_time(where: str, tmp_path: Path) -> None:
    """The cache folder cannot be created: kernels run compiled all the same."""
    (tmp_path / "file").touch()
    cache_home = where if where.startswith("/") else str(tmp_path / where)
    assert run(tmp_path, XDG_CACHE_HOME=cache_home) == MADE
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("home", ["", "relative"])
def test_machine_code_home_not_absolute_is_not_kept(home: str, tmp_path: Path) -> None:
    """Nothing is written below the current folder."""
    assert run(tmp_path, HOME=home) == MADE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="needs root to become nobody")
def test_machine_code_user_without_name_is_not_kept(tmp_path: Path) -> None:
    """`docker run --user 12345`: Python finds no home. Analyzing a small capture asks for the folder, too."""
    power = "+dac_override,+dac_read_search"  # Python itself may be installed where only root looks
    nobody = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    nobody += [f"--inh-caps={power}", f"--ambient-caps={power}"]
    assert run(tmp_path, *nobody, HOME=None) == MADE
    command = [*nobody, "env", "-u", "HOME", "-u", "XDG_CACHE_HOME", sys.executable, "-m", "capnet"]
    done = subprocess.run(
        [*command, "analyze", PROJECT / "pcaps" / "none.pcapng"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("none ")


def test_machine_code_two_first_runs_keep_one_file(tmp_path: Path) -> None:
    """Two processes make it at the same time; each works, and one whole file stays."""
    processes = [start(tmp_path) for _ in range(2)]
    assert [process.communicate() for process in processes] == [(MADE, "")] * 2
    assert kept_file(tmp_path).suffix == ".o"
    assert run(tmp_path) == KEPT


@pytest.mark.parametrize(("switch", "says"), [("1", INTERPRETED), ("0", KEPT), ("", KEPT)])
def test_machine_code_jit_disabled_is_interpreted(cached: Path, switch: str, says: str, tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT=1 interprets; 0 and the empty string do not, nor does NUMBA_BOUNDSCHECK=0."""
    shutil.copytree(cached / "home", tmp_path / "home")
    assert run(tmp_path, NUMBA_DISABLE_JIT=switch) == says
    assert run(tmp_path, NUMBA_BOUNDSCHECK="0") == KEPT


@inline
def time_of(records: Int64Array, r: int) -> int:
    return records[r + record.TIME]


@kernel
def mixed_time(records: Int64Array, out: Int64Array) -> None:
    out[0] = octets.mix(time_of(records, record.WIDTH), 0)


@pytest.mark.parametrize(
    ("module", "name"),
    [(record, "WIDTH"), (record, "TIME"), (octets, "_LOW")],
    ids=["the kernel's own", "of an inline function", "of an inline function of a module"],
)
def test_cache_key_number_of_module_changed_differs(module, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel names columns as `record.TIME`: with another number it is another kernel, compiled anew."""
    before = key(mixed_time.interpreted)
    monkeypatch.setattr(module, name, getattr(module, name) + 1)
    assert key(mixed_time.interpreted) != before


def test_cache_key_unused_number_changed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module defines besides does not compile a kernel anew."""
    before = key(mixed_time.interpreted)
    monkeypatch.setattr(record, "MAX_CAPLEN", 1)
    assert key(mixed_time.interpreted) == before


def test_kernel_with_columns_of_modules_compiles() -> None:
    """numba folds `record.TIME`, and calls `octets.mix`, as it does names of the kernel's own module."""
    results = []
    for compiled in (False, True):
        machine = Machine(compiled)
        records, out = np.arange(2 * record.WIDTH, dtype=np.int64), np.zeros(1, dtype=np.int64)
        machine.run(mixed_time)(machine.view(records), machine.view(out))
        results.append(int(out[0]))
    assert results[0] == results[1] == octets.mix(record.WIDTH + record.TIME, 0)


def test_compiler_tells_that_it_compiles_once(tmp_path: Path) -> None:
    """The second process finds what the first one kept, and is silent."""
    assert run(tmp_path, HEARS="1") == f"compiling the decoder, once per machine: some 20 s\n{MADE}"
    assert run(tmp_path, HEARS="1") == KEPT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_compiler_tells_that_nothing_is_kept(tmp_path: Path) -> None:
    """Homes that are full, read-only, and a file: each says why, in one line, and the result is right."""
    for options, reason in (("size=4k", "No space left on device"), ("size=4k,ro", "Read-only file system")):
        home = tmp_path / options.replace(",", "-")
        home.mkdir()
        mounted = (
            f"mount -t tmpfs -o {options.replace(',ro', '')} tmpfs {home} && echo x >{home}/x; "
            f"case {options} in *,ro) mount -o remount,ro {home};; esac; "
        )
        before = ("unshare", "-m", "sh", "-c", f'{mounted} exec "$@"', "sh")
        said = run(tmp_path, *before, HOME=str(home), HEARS="1")
        assert f"the compiled code cannot be kept in {home}/.cache/capnet ({reason}), so each run" in said
        assert said.count("cannot be kept") == 1
        assert said.endswith(MADE)


def test_small_captures_are_compiled_where_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code that comes with capnet is loaded in a moment; checked kernels are compiled each time."""
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)
    capture = Path("a.pcap")
    assert worth_compiling([(capture, MIN_COMPILED_DIRECT)]) == (platform() == DIRECT)
    assert not worth_compiling([(capture, MIN_COMPILED_DIRECT - 1)])
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert not worth_compiling([(capture, MIN_COMPILED_DIRECT)])
