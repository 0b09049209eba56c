"""The action for GitHub: both files keep to the schemas, and its steps do in bash what a runner makes of them.

A runner runs `bash --noprofile --norc -eo pipefail FILE`, with inputs as variables, and reads GITHUB_OUTPUT,
GITHUB_STEP_SUMMARY and GITHUB_PATH: https://docs.github.com/actions (workflow syntax, contexts, workflow commands).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "pcaps" / "faults"
SCHEMAS = Path(__file__).parent / "schemas"
EXPRESSION = re.compile(r"\$\{\{\s*inputs\.([\w-]+)\s*\}\}")


def action() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def example() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    page = (ROOT / "docs" / "howto" / "in-ci.md").read_text(encoding="utf-8")
    return yaml.safe_load(page.partition("<!-- example workflow -->\n```yaml\n")[2].partition("\n```")[0])


def must_keep_to(schema: str, document: dict[Any, Any]) -> None:
    from jsonschema import Draft7Validator

    if True in document:  # YAML 1.1 takes the key `on` for a truth value; GitHub does not
        document["on"] = document.pop(True)
    errors = Draft7Validator(json.loads((SCHEMAS / schema).read_text())).iter_errors(document)
    assert [f"{list(error.path)}: {error.message}" for error in errors] == []


def test_action_keeps_to_its_schema():
    must_keep_to("github-action.json", action())


def test_example_workflow_keeps_to_its_schema_and_to_the_action():
    workflow = example()
    must_keep_to("github-workflow.json", workflow)
    steps = workflow["jobs"]["capnet"]["steps"]
    (step,) = [each for each in steps if each.get("uses") == "./.capnet"]
    assert set(step["with"]) <= set(action()["inputs"])
    used = set(re.findall(r"steps\.capnet\.outputs\.(\w+)", json.dumps(steps)))
    assert used <= set(action()["outputs"])


def test_scripts_have_no_expressions():
    """What is put into a script by an expression would be run as a part of it."""
    for step in action()["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


class Runner:
    """Runs the steps of the action in a folder, as a runner of GitHub does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {name: folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
        (folder / "bin").mkdir()
        capnet = folder / "bin" / "capnet"
        capnet.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m capnet "$@"\n')
        capnet.chmod(0o755)

    def run(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        for file in self.files.values():
            file.write_text("")
        given = {name: str(entry.get("default", "")) for name, entry in action()["inputs"].items()} | inputs
        for number, step in enumerate(action()["runs"]["steps"]):
            script = self.folder / f"step{number}.sh"
            script.write_text(step["run"])
            values = {
                name: EXPRESSION.sub(lambda hit: given[hit[1]], value) for name, value in step.get("env", {}).items()
            }
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=self.folder, env=self._environment() | values, capture_output=True, text=True, timeout=60,
                check=False,
            )  # fmt: skip
            if done.returncode:
                break
        return done

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.files["GITHUB_OUTPUT"].read_text().splitlines())

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(self.folder),
            "RUNNER_TEMP": str(self.folder), "GITHUB_ACTION_PATH": str(ROOT), "CI": "true", "GITHUB_ACTIONS": "true",
            **{name: str(file) for name, file in self.files.items()},
        }  # fmt: skip


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "two words").mkdir()
    for name in ("dns-failure.pcapng", "dns-failure.topology.json"):
        shutil.copy(FAULTS / name, tmp_path / "two words")
    return Runner(tmp_path)


def test_new_finding_fails_the_job_with_reports_and_summary(runner):
    level = {"fail-on": "warning"}
    done = runner.run(captures="two words/*.pcapng\n", reports="json sarif", folder="out put", **level)
    assert done.returncode == 1, done.stderr
    assert runner.outputs() == {"folder": "out put", "fails": "true"}
    assert "dns-failure" in runner.files["GITHUB_STEP_SUMMARY"].read_text()
    assert json.loads((runner.folder / "out put" / "capnet.sarif").read_text())["version"] == "2.1.0"
    assert runner.files["GITHUB_PATH"].read_text() == ""  # capnet was there
    token = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", done.stdout.splitlines()[0])
    assert token is not None
    assert done.stdout.splitlines()[-1] == f"::{token[1]}::"

    known = runner.run(captures="two words", reports="", baseline="out put/capnet.json", **level)
    assert known.returncode == 0, known.stderr
    assert runner.outputs() == {"folder": "capnet-reports", "fails": "false"}


@pytest.mark.parametrize(
    ("inputs", "code", "reason"),
    [
        ({"captures": "nothing/*.pcap"}, 2, "nothing matches nothing/*.pcap"),
        ({"captures": "two words", "fail-on": "$(touch owned)", "reports": ""}, 2, "fail-on"),
        ({"captures": "$(touch owned)\n`touch owned`"}, 3, "$(touch owned): No such file"),
    ],
)
def test_wrong_input_ends_the_job_with_its_reason(runner, inputs, code, reason):
    done = runner.run(**inputs)
    assert done.returncode == code
    assert reason in done.stderr
    assert not (runner.folder / "owned").exists()
