"""Dataclasses with slots that are quick to define and to make.

`dataclasses` writes and compiles up to eight methods for each class, which takes a tenth of the time of a small report.
Here one is compiled, `__init__`, which sets each slot directly; the others are the same functions for all classes.
`dataclasses.fields`, `replace` and `is_dataclass` work as usual.

`@mutable` compared by its fields, which may be changed
`@frozen`  compared by identity, as what holds arrays
`@value`   frozen, and compared by its fields
`@fact`    ordered by its fields too, as `sorted` asks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from inspect import get_annotations
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


def _values(of: Any) -> tuple[object, ...]:
    return tuple([getattr(of, name) for name in of.__slots__])


def _repr(this: Any) -> str:
    shown = ", ".join(f"{name}={getattr(this, name)!r}" for name in this.__slots__)
    return f"{type(this).__qualname__}({shown})"


def _is_equal(this: Any, other: object) -> bool:
    if type(other) is not type(this):
        return NotImplemented
    return _values(this) == _values(other)


def _is_less(this: Any, other: object) -> bool:
    if type(other) is not type(this):
        return NotImplemented
    return _values(this) < _values(other)


def _hash(this: Any) -> int:
    return hash(_values(this))


def _reduce(this: Any) -> tuple[Callable[..., Any], tuple[object, ...]]:
    """For copies and pickles."""
    return _rebuild, (type(this), _values(this))


def _rebuild(cls: type[T], values: tuple[object, ...]) -> T:
    made = cls.__new__(cls)
    for name, value_of in zip(cls.__dict__["__slots__"], values, strict=True):
        object.__setattr__(made, name, value_of)
    return made


def _refuse(frozen_object: object, *_: object) -> None:
    raise FrozenInstanceError(f"a {type(frozen_object).__name__} cannot be changed: use dataclasses.replace")


_FROZEN: dict[str, Callable[..., Any]] = {"__setattr__": _refuse, "__delattr__": _refuse, "__reduce__": _reduce}
_MUTABLE: dict[str, Callable[..., Any]] = {"__repr__": _repr, "__eq__": _is_equal}
_VALUE: dict[str, Callable[..., Any]] = _MUTABLE | {"__hash__": _hash}
_ORDERED: dict[str, Callable[..., Any]] = {"__lt__": _is_less}
_UNSET = object()


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """A dataclass with slots."""
    return _define(cls, _MUTABLE | {"__hash__": None})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, equal to itself only."""
    return _define(cls, _FROZEN)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, equal to one with equal fields."""
    return _define(cls, _FROZEN | _VALUE)


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def fact(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, equal to one with equal fields, and ordered by its fields."""
    return _define(cls, _FROZEN | _VALUE | _ORDERED)


def _define(cls: type[T], methods: Mapping[str, Callable[..., Any] | None]) -> type[T]:
    annotations = get_annotations(cls)
    # Of each string, dataclass asks whether it means ClassVar.
    cls.__annotations__ = {name: text if text == "KW_ONLY" else object for name, text in annotations.items()}
    cls = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    cls.__annotations__ = annotations
    for each in fields(cls):  # type: ignore[arg-type]
        each.type = annotations.get(each.name, each.type)
    for name, method in (*methods.items(), ("__init__", _initializer(cls))):
        if name not in cls.__dict__:
            setattr(cls, name, method)
    return cls


def _initializer(cls: type[Any]) -> Any:
    """`__init__` with the parameters that `dataclass` would give it."""
    names: dict[str, Any] = {"_unset": _UNSET}
    parameters, body = ["self"], []
    for each in sorted(fields(cls), key=lambda each: bool(each.kw_only)):
        if each.kw_only and "*" not in parameters:
            parameters.append("*")
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
    names["__init__"].__annotations__ = {each.name: each.type for each in fields(cls)}
    return names["__init__"]
