"""`NamedTuple` that is quick to define, as more than a hundred of them are before a report is made.

class Stop(NamedTuple):
    point: str
    packets: int = 0

`typing`'s compiles each annotation, which nothing reads, and `collections.namedtuple` a constructor for each class.
Here the getters of all fields are those of one tuple that `namedtuple` made, and constructors are written below, for
each number of fields.
"""

from __future__ import annotations

from collections import namedtuple
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # what type checkers know
else:
    _MOST = 64  # fields
    _Template = namedtuple("_Template", [f"f{number}" for number in range(_MOST)])
    _GETTERS = [vars(_Template)[field] for field in _Template._fields]
    _SHARED = {name: vars(_Template)[name] for name in ("_asdict", "__getnewargs__")}  # know nothing of the fields
    _new = tuple.__new__
    # fmt: off
    _CONSTRUCTORS = (
        lambda _cls: _new(_cls, ()),
        lambda _cls, a: _new(_cls, (a,)),
        lambda _cls, a, b: _new(_cls, (a, b)),
        lambda _cls, a, b, c: _new(_cls, (a, b, c)),
        lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
        lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
        lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
        lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
        lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
        lambda _cls, a, b, c, d, e, f, g, h, i: _new(_cls, (a, b, c, d, e, f, g, h, i)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j: _new(_cls, (a, b, c, d, e, f, g, h, i, j)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o)),
    )
    # fmt: on

    def _make(cls: Any, iterable: Any) -> Any:
        """One with these items. TypeError if they are not as many as the fields."""
        made = _new(cls, iterable)
        if len(made) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")
        return made

    def _repr(self: Any) -> str:
        values = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    def _replace(self: Any, /, **changes: Any) -> Any:
        """A copy with other values in some fields; ValueError for names that are no fields."""
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"{type(self).__name__} has no fields {list(changes)}")
        return made

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> FunctionType:
        """`__new__` with these parameters."""
        if len(fields) < len(_CONSTRUCTORS):
            template = _CONSTRUCTORS[len(fields)]
        else:
            template = namedtuple("_Large", [f"f{number}" for number in range(len(fields))]).__new__
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
            if len(fields) > _MOST:
                raise TypeError(f"{name} has {len(fields)} fields, more than {_MOST}")
            made = {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            made |= _SHARED
            made |= zip(fields, _GETTERS, strict=False)
            made |= {"__new__": _constructor(name, fields, tuple(defaults.values()))}
            made |= {"__repr__": _repr, "_replace": _replace, "_make": classmethod(_make)}
            return type(name, (tuple,), made | members)

    class NamedTuple(metaclass=_Definition):
        """A tuple whose items have names, as `typing.NamedTuple`."""
