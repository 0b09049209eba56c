"""The pytest plugin: fixtures `capnet_report` and `capnet_capture`; captures of failing tests are kept.

capnet installs it for pytest (entry point `pytest11`). It imports nothing of capnet before a test asks for a fixture.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from capnet.testing.live import LiveNet
    from capnet.testing.net import Net

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

FOLDER = "capnet-failed"
_FAILED = pytest.StashKey[bool]()


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


@pytest.fixture
def capnet_report(request: pytest.FixtureRequest) -> Callable[..., Net]:
    """`capnet_report("saved.pcapng")`: what stored captures show. Paths are relative to the file of the test."""

    def report(*files: str | Path) -> Net:
        from capnet.testing.net import net_of

        return net_of(*(request.path.parent / file for file in files))

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

    @contextmanager
    def capture(*targets: str, options: tuple[str, ...] = ()) -> Iterator[LiveNet]:
        from capnet.testing.live import capturing

        files.append(tmp_path / f"capnet-{len(files) + 1}.pcapng")
        with capturing(targets, files[-1], options) as net:
            yield net

    yield capture
    if request.node.stash.get(_FAILED, False):
        kept = _keep(request, files)
        request.node.add_report_section("teardown", "capnet", "\n".join(f"kept: {file}" for file in kept))


def _keep(request: pytest.FixtureRequest, files: list[Path]) -> list[Path]:
    """Copies the captures, and the topology and witnesses beside each; returns the captures."""
    given = request.config.getoption("--capnet-keep")
    folder = Path(given) if given else request.path.parent / FOLDER
    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")[:100]
    kept = []
    for number, file in enumerate((file for file in files if file.exists()), start=1):
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{request.path.stem}-{name}" + (f"-{number}" if len(files) > 1 else "")
        for beside in file.parent.glob(f"{file.stem}.*"):
            shutil.copy(beside, folder / f"{stem}{beside.name.removeprefix(file.stem)}")
        kept.append(folder / f"{stem}{file.suffix}")
    return kept
