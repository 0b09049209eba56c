"""`NamedTuple` that is quick to define: `typing`'s compiles each annotation, which nothing reads when a report is made.

class Stop(NamedTuple):
    point: str
    packets: int = 0
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # what type checkers know
else:

    class _Definition(type):
        """Makes the class that a class statement describes: a tuple with its fields, defaults and methods."""

        def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, members)
            fields = members.get("__annotations__", {})
            defaults = [members[field] for field in fields if field in members]
            made = namedtuple(name, fields, defaults=defaults, module=members["__module__"])
            for member, value in members.items():
                if member not in fields and member != "__module__":
                    setattr(made, member, value)
            return made

    class NamedTuple(metaclass=_Definition):
        """A tuple whose items have names, as `typing.NamedTuple`."""
