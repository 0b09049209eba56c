"""The help of a scenario or fault in Chinese: its title, its drawing with the words translated, and its text."""

from __future__ import annotations

from capnet.cli.chinese.drawings import in_chinese
from capnet.cli.chinese.fault_sends import FAULT_SENDS
from capnet.cli.chinese.scenario_bodies import SCENARIO_BODIES
from capnet.cli.chinese.scenario_titles import FAULTS, SCENARIOS


def title_of(name: str, *, is_fault: bool) -> str:
    """What it is, in a line; empty for one that the tables lack, such as a scenario of the user's own."""
    return (FAULTS if is_fault else SCENARIOS).get(name, "")


def page(name: str, docstring: str) -> str:
    """The docstring in Chinese; itself where the tables lack it."""
    drawing = docstring.split("\n\n")[1] if "\n\n" in docstring else ""
    if name in SCENARIO_BODIES:
        return "\n\n".join((f"{name}：{SCENARIOS[name]}", in_chinese(drawing), SCENARIO_BODIES[name].strip("\n")))
    if name in FAULT_SENDS:
        return "\n\n".join((f"{name}：{FAULTS[name]}", in_chinese(drawing), f"发送  {FAULT_SENDS[name]}"))
    return docstring
