"""Libraries that come with an extra: what to do where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from capnet.errors import EnvironmentLacks


def library(name: str, extra: str, purpose: str) -> Any:
    """The module `name`. EnvironmentLacks, which says how to install it, if it is not there."""
    try:
        return import_module(name)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != name.partition(".")[0]:
            raise  # it is there, and cannot be loaded for another reason
        raise EnvironmentLacks(
            f"{purpose} needs {name.partition('.')[0]}: pip install 'capnet[{extra}]'; "
            "csv and jsonl need nothing (capnet export --to csv)"
        ) from error
