"""Facts are frozen dataclasses with slots, cheap to define and to make.

`dataclasses` writes and compiles up to eight methods for each class, which takes a tenth of the time of a small report.
Here one is compiled, `__init__`, which sets each slot directly; the others are the same functions for all facts.
`dataclasses.fields`, `replace` and `is_dataclass` work as usual.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


def _values(fact: Any) -> tuple[object, ...]:
    return tuple([getattr(fact, name) for name in fact.__slots__])


def _repr(fact: Any) -> str:
    shown = ", ".join(f"{name}={getattr(fact, name)!r}" for name in fact.__slots__)
    return f"{type(fact).__qualname__}({shown})"


def _is_equal(fact: Any, other: object) -> bool:
    if type(other) is not type(fact):
        return NotImplemented
    return _values(fact) == _values(other)


def _is_less(fact: Any, other: object) -> bool:
    if type(other) is not type(fact):
        return NotImplemented
    return _values(fact) < _values(other)


def _hash(fact: Any) -> int:
    return hash(_values(fact))


def _rebuild(fact: Any) -> tuple[type, tuple[object, ...]]:
    """For copies and pickles: the class, and the values of its fields in order."""
    return type(fact), _values(fact)


def _refuse(*_: object) -> None:
    raise FrozenInstanceError("a fact cannot be changed: use dataclasses.replace")


_METHODS = {
    "__repr__": _repr,
    "__eq__": _is_equal,
    "__lt__": _is_less,
    "__hash__": _hash,
    "__reduce__": _rebuild,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}
_UNSET = object()


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def fact(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, which is ordered by its fields, as `sorted` asks."""
    cls = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    for name, method in (*_METHODS.items(), ("__init__", _initializer(cls))):
        setattr(cls, name, method)
    return cls


def _initializer(cls: type[Any]) -> Any:
    """`__init__` with the parameters that `dataclass` would give it."""
    names: dict[str, Any] = {"_unset": _UNSET}
    parameters, body = ["self"], []
    for each in fields(cls):
        name = value = each.name
        names[f"_set_{name}"] = cls.__dict__[name].__set__  # of the slot
        if each.default_factory is not MISSING:
            names[f"_make_{name}"] = each.default_factory
            value = f"_make_{name}() if {name} is _unset else {name}"
            parameters.append(f"{name}=_unset")
        elif each.default is not MISSING:
            names[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(f"    _set_{name}(self, {value})")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(body), names)
    return names["__init__"]
