"""Frames → facts. The package can be called:

    capnet.analyze(sources, topology=None, *, vxlan_port=0, threads=None, …) -> Report

is `capnet.analyze.engine.analyze`, whose help has the whole.

As soon as any module in here is imported, Python binds the name `analyze` in `capnet` to this package. A function of
that name would be what `from capnet import analyze` gives only until then; so the name always means the package.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature


class _Callable(ModuleType):
    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        from capnet.analyze.engine import analyze

        return signature(analyze)

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Analyze captures: see `capnet.analyze.engine.analyze`."""
        from capnet.analyze.engine import analyze

        return analyze(*args, **more)


sys.modules[__name__].__class__ = _Callable
