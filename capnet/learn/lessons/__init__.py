"""The lessons, one file each, in the order of the article. A file has a `LESSON`, named as its capture."""

from __future__ import annotations

from importlib import import_module

from capnet.learn.question import Lesson

NAMES = ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3")


def lesson(name: str) -> Lesson:
    """The lesson of a model; `name` is one of NAMES."""
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    result: Lesson = module.LESSON
    return result
