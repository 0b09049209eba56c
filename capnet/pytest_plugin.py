"""The pytest plugin: fixtures `capnet_report` and `capnet_capture`; captures of failing tests are kept.

capnet installs it for pytest (entry point `pytest11`). It imports nothing of capnet before a test asks for a fixture.
"""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from capnet.testing.live import LiveNet
    from capnet.testing.net import Net

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

FOLDER = "capnet-failed"
MAX_SHOWN = 10  # findings in a message
MAX_NAME = 100  # characters of a test in the name of a file
_FAILED = pytest.StashKey[bool]()
_RUNNING = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option --capnet-keep."""
    parser.getgroup("capnet").addoption(
        "--capnet-keep",
        metavar="FOLDER",
        help=f"Where captures of failing tests are kept. Default: {FOLDER} beside the file of the test.",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes whether a test has failed, for the fixtures that end after it."""
    outcome: Any = yield
    if outcome.get_result().failed:
        item.stash[_FAILED] = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Notes the file of the test, for `capnet_report` in fixtures of any scope."""
    item.config.stash[_RUNNING] = item.path


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """What a failed `net.findings == [...]` shows: a line for each finding that is too much, and what to do."""
    if op != "==" or not (isinstance(left, list) and isinstance(right, list) and _are_findings(left)):
        return None
    from capnet.report.escape import visible

    others = [each for each in left if each not in right]
    lines = [f"{len(left)} findings, expected {len(right)}"]
    for each in others[:MAX_SHOWN]:
        fix = [f"  to do: {visible(each.fix)}"] if each.fix else []
        lines += [f"{each.level} {each.name}: {visible(each.says)}", *fix]
    return [*lines, *([f"and {len(others) - MAX_SHOWN} more"] if len(others) > MAX_SHOWN else [])]


def _are_findings(values: list[Any]) -> bool:
    """Whether they are findings of capnet, and there are any. Nothing is imported to see that."""
    types = {(type(each).__name__, type(each).__module__.partition(".")[0]) for each in values}
    return types == {("Finding", "capnet")}


@pytest.fixture(scope="session")
def capnet_report(request: pytest.FixtureRequest) -> Callable[..., Net]:
    """`capnet_report("saved.pcapng")`: what stored captures show. Paths are relative to the file of the test.

    Several files, or a list of them, are one capture at several points. Fixtures of any scope may use it.
    """

    def report(*files: str | Path | Iterable[str | Path]) -> Net:
        from capnet.testing.net import net_of

        folder = request.config.stash[_RUNNING].parent
        given = [each for file in files for each in ([file] if isinstance(file, str | PathLike) else file)]
        return net_of(*(folder / file for file in given))

    return report


@pytest.fixture
def capnet_capture(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., AbstractContextManager[LiveNet]]]:
    """`with capnet_capture("shop_default") as net:` captures until the block ends; then `net` can be asked.

    Targets are those of `capnet capture`: names of containers, networks, projects, services; `options` are its options.
    It needs root. If the test fails, the capture is kept with what lies beside it.
    """
    files: list[Path] = []

    def capture(*targets: str, options: tuple[str, ...] = ()) -> AbstractContextManager[LiveNet]:
        from capnet.testing.live import capturing

        files.append(tmp_path / f"capnet-{len(files) + 1}.pcapng")
        return _Block(capturing(targets, files[-1], options))

    yield capture
    if request.node.stash.get(_FAILED, False):
        kept = _keep(request, files)
        request.node.add_report_section("teardown", "capnet", "\n".join(f"kept: {file}" for file in kept))


class _Block(AbstractContextManager["LiveNet"]):
    """A capture that fails to begin or to end points at the line of the test, not at contextlib."""

    def __init__(self, capture: AbstractContextManager[LiveNet]) -> None:
        self._capture = capture

    def __enter__(self) -> LiveNet:
        try:
            return self._capture.__enter__()
        except Exception as error:
            raise error.with_traceback(None) from None

    def __exit__(self, *error: Any) -> bool | None:
        try:
            return self._capture.__exit__(*error)
        except Exception as raised:
            raise raised.with_traceback(None) from None


def _keep(request: pytest.FixtureRequest, files: list[Path]) -> list[Path]:
    """Copies the captures, and the topology and witnesses beside each; returns the captures."""
    given = request.config.getoption("--capnet-keep")
    folder = Path(given) if given else request.path.parent / FOLDER
    name = file_name("-".join(request.node.nodeid.split("::")[1:]))  # with its classes: names of methods come again
    kept = []
    for number, file in enumerate((file for file in files if file.exists()), start=1):
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{request.path.stem}-{name}" + (f"-{number}" if len(files) > 1 else "")
        for beside in file.parent.glob(f"{file.stem}.*"):
            shutil.copy(beside, folder / f"{stem}{beside.name.removeprefix(file.stem)}")
        kept.append(folder / f"{stem}{file.suffix}")
    return kept


def file_name(test: str) -> str:
    """A name for files of this test, and of no other: what cannot be written gets a number made of it."""
    plain = test.replace("[", "-").replace("]", "")
    name = re.sub(r"[^\w.-]+", "-", plain).strip("-")[:MAX_NAME]
    return name if name == plain else f"{name}-{zlib.crc32(test.encode()):08x}"
