"""Facts are frozen dataclasses with slots, cheap to define and to make."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


def _refuse(*_: object) -> None:
    raise FrozenInstanceError("a fact cannot be changed: use dataclasses.replace")


def _rebuild(fact: Any) -> tuple[type, tuple[object, ...]]:
    """For copies: the class, and the values of its fields in order."""
    return type(fact), tuple(getattr(fact, name) for name in fact.__slots__)


_UNSET = object()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fact(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots.

    `dataclass(frozen=True)` makes three more methods for each class when it is imported, and sets each field by name.
    This makes one `__init__`, which sets each slot directly: reports of many translations have millions of fields.
    """
    cls = dataclass(slots=True, init=False)(cls)
    names: dict[str, Any] = {"_unset": _UNSET}
    parameters, body = ["self"], []
    for each in fields(cls):  # type: ignore[arg-type]
        name = each.name
        names[f"_set_{name}"] = cls.__dict__[name].__set__  # of the slot
        value = name
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
    methods = {"__init__": names["__init__"], "__reduce__": _rebuild, "__setattr__": _refuse, "__delattr__": _refuse}
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls
