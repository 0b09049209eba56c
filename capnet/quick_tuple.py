"""`NamedTuple` that is quick to define, as more than a hundred of them are before a report is made.

class Stop(NamedTuple):
    point: str
    packets: int = 0

`typing`'s compiles each annotation, which nothing reads, and `collections.namedtuple` a constructor for each class.
Here one tuple for each number of fields is made by `namedtuple`; classes take its methods, under their own names.
"""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # what type checkers know
else:
    _SHARED = ("_make", "_asdict", "__getnewargs__")  # methods that know the number of fields, or nothing of them

    def _repr(self: Any) -> str:
        values = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    def _replace(self: Any, /, **changes: Any) -> Any:
        """A copy with other values in some fields; ValueError for names that are no fields."""
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"{type(self).__name__} has no fields {list(changes)}")
        return made

    @cache
    def _template(size: int) -> type:
        """A named tuple of so many fields: `f0`, `f1` and so on."""
        return namedtuple("_Template", [f"f{number}" for number in range(size)])

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> FunctionType:
        """`__new__` with these parameters."""
        template = _template(len(fields)).__new__
        code = template.__code__.replace(
            co_varnames=("_cls", *fields), co_name="__new__", co_qualname=f"{name}.__new__"
        )
        return FunctionType(code, template.__globals__, "__new__", defaults)

    class _Definition(type):
        """Makes the class that a class statement describes: a tuple with its fields, defaults and methods."""

        def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, members)
            fields = tuple(members.get("__annotations__", {}))
            defaults = {field: members.pop(field) for field in fields if field in members}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one that has one")
            template = vars(_template(len(fields)))
            made = {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            made |= {method: template[method] for method in _SHARED}
            made |= {field: template[f"f{number}"] for number, field in enumerate(fields)}
            made |= {"__new__": _constructor(name, fields, tuple(defaults.values()))}
            made |= {"__repr__": _repr, "_replace": _replace}
            return type(name, (tuple,), made | members)

    class NamedTuple(metaclass=_Definition):
        """A tuple whose items have names, as `typing.NamedTuple`."""
