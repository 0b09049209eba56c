"""What every finding must have: its manual page, its constants, a story with it and one without, a silent witness."""

from __future__ import annotations

import ast
import inspect
import re
import string
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from capnet import language
from capnet.analysis.core.contract import finding_list
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.engine import study
from capnet.analysis.facts.kernel import explained_findings, settings
from capnet.analysis.findings import OF_ADDRESSES, finding_modules, folders, modules_of
from capnet.report import headline
from capnet.report.manual import CHINESE_HEADINGS, HEADINGS, manual
from capnet.scenario import library
from capnet.scenario.faults import library as fault_library
from capnet.testing import net
from tests.conftest import GOLDENS, MADE, PROJECT
from tests.generated.findings import scenario
from tests.report.golden_documents import report

FOLDER = PROJECT / "capnet" / "analysis" / "findings"
LEVELS = ("error", "warning", "info")
CONSTANTS = {"NAME", "LEVELS", "SCENARIO", "WITNESS", "EXPLAINS", "PAGE_ZH"}
NAMES = {finding_name(module.__name__) for module in finding_modules()}

every_finding = pytest.mark.parametrize("module", finding_modules(), ids=lambda module: finding_name(module.__name__))


def test_every_file_of_the_folder_is_a_finding() -> None:
    files = sorted(file.stem for file in FOLDER.rglob("*.py") if file.stem != "__init__")
    assert [module.__name__.rpartition(".")[2] for module in finding_modules()] == files


@every_finding
def test_finding_docstring_is_its_manual_page(module: ModuleType) -> None:
    """`name: what it is` on the first line, then each heading once, in this order."""
    page = manual(module)
    assert page.name == module.NAME == finding_name(module.__name__)
    assert page.title.endswith(".")
    assert list(page.sections) == list(HEADINGS)
    assert all(page.sections.values())


@every_finding
def test_chinese_page_has_the_same_sections(module: ModuleType) -> None:
    """Each command of the English page that verifies the finding stands in the Chinese one too."""
    with language.used("zh"):
        page = manual(module)
    assert page.name == module.NAME and page.title.endswith("。")
    assert tuple(page.sections) == CHINESE_HEADINGS
    assert all(block and not block.isascii() for blocks in page.sections.values() for block in blocks)
    commands = re.findall(r"`[^`]*`", " ".join(manual(module).sections["Verify"]))
    assert [command for command in commands if command not in " ".join(page.sections["验证"])] == []


@every_finding
def test_finding_constants_are_complete(module: ModuleType) -> None:
    lacking = sorted(CONSTANTS - set(vars(module)))
    assert not lacking, f"write {', '.join(lacking)}"
    assert module.LEVELS and set(module.LEVELS) <= set(LEVELS)
    assert set(module.EXPLAINS) <= NAMES - {module.NAME}
    name, reason = scenario(module)
    assert (name in library.files() or name in faults_by_command()) if name else reason
    assert (PROJECT / module.WITNESS).is_file()


def texts_in(value: object) -> list[Text]:
    """The sentences that a constant of a module is, or has as its values."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_in(item)]
    return [value] if isinstance(value, Text) else []


@every_finding
def test_finding_sentences_are_texts(module: ModuleType) -> None:
    """Each has English and Chinese, with the same values."""

    def values(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}

    texts = [text for value in vars(module).values() for text in texts_in(value)]
    assert texts
    for text in texts:
        assert text.en and text.zh and values(text.zh) == values(text.en), text


@every_finding
def test_finding_name_is_its_file_name_only(module: ModuleType) -> None:
    """No string of the code spells it, so that renaming the file renames the finding."""
    tree = ast.parse(inspect.getsource(module))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert module.NAME not in strings


@every_finding
def test_finding_imports_no_other_finding(module: ModuleType) -> None:
    """What two of them need lies in facts."""
    assert "capnet.analysis.findings" not in inspect.getsource(module)


@every_finding
def test_finding_has_a_story_with_it_and_one_without(module: ModuleType) -> None:
    *folders, name = module.__name__.removeprefix("capnet.analysis.findings.").split(".")
    file = Path(__file__).parent.joinpath(*folders, f"test_{name}.py")
    assert file.is_file(), f"write {file.relative_to(PROJECT)}"
    tests = re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert any(test.endswith("_is_told") for test in tests)
    assert any(test.endswith("_is_silent") for test in tests)


@every_finding
def test_finding_is_not_told_of_its_witness(module: ModuleType) -> None:
    assert module.NAME not in {finding.name for finding in report(PROJECT / module.WITNESS).findings}


@cache
def faults_by_command() -> dict[str, str]:
    """`fault NAME`, as in SCENARIO and behind `capnet scenario` → the finding that names the fault."""
    return {f"fault {name}": fault_library.load(name).finding for name in fault_library.files()}


@every_finding
def test_finding_is_told_of_its_scenario(module: ModuleType) -> None:
    name, _ = scenario(module)
    if name:
        assert faults_by_command().get(name, module.NAME) == module.NAME
        golden = PROJECT / "pcaps" / f"{name.replace('fault ', 'faults/')}.pcapng"
        assert module.NAME in {finding.name for finding in report(golden).findings}


@pytest.mark.parametrize("capture", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_levels_told_are_declared(capture: Path) -> None:
    declared = {finding_name(module.__name__): getattr(module, "LEVELS", LEVELS) for module in finding_modules()}
    for finding in report(capture).findings:
        assert finding.level in declared[finding.name]


@pytest.mark.by_turns
@pytest.mark.parametrize("capture", [*GOLDENS, *MADE], ids=lambda path: path.name)
def test_folder_not_needed_has_nothing_to_say(capture: Path) -> None:
    context = study(capture).context
    for folder in folders():
        if not folder.is_needed(context):
            assert [module.NAME for module in modules_of(folder) if module.diagnose(context)] == []


def test_findings_named_by_other_files_exist() -> None:
    """A finding that is renamed must be renamed there too."""
    named = {
        *finding_list.ALWAYS_LISTED, *headline.VAGUE, *headline.NOTES, net.PARTIAL,
        *explained_findings.MENDED_BY_RULE, *explained_findings.NOT_ABOUT_LOSS, explained_findings.KERNEL_DROP,
        *explained_findings.EXPLAINED, *(setting.finding for setting in settings.EXPLAINING), settings.NOT_MASQUERADED,
    }  # fmt: skip
    assert named - NAMES == set()


def test_what_reasons_on_addresses_is_there() -> None:
    """Findings and folders that are asked for each network namespace with a loopback of its own."""
    assert {*OF_ADDRESSES} <= {entry.stem for entry in FOLDER.iterdir()}


def test_no_finding_explains_what_explains_it() -> None:
    """Else both would be left out."""
    explains = {finding_name(module.__name__): set(getattr(module, "EXPLAINS", ())) for module in finding_modules()}
    assert not [(name, other) for name, others in explains.items() for other in others if name in explains[other]]
