"""Dataclasses with slots that are quick to define and to make.

`dataclasses` writes and compiles up to eight methods for each class, 0.3 ms, and a report needs seventy classes.
Here `__init__`, which sets each slot directly, has the code of all classes with as many fields, written below; the
others are the same functions for all classes. A class takes over no fields of another one.
`dataclasses.fields`, `replace` and `is_dataclass` work as usual.

`@state`   may be changed, and is compared by identity
`@mutable` compared by its fields, which may be changed
`@frozen`  compared by identity, as what holds arrays
`@value`   frozen, and compared by its fields
`@fact`    ordered by its fields too, as `sorted` asks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from functools import cache, cached_property
from inspect import get_annotations
from operator import attrgetter
from types import CodeType, FunctionType
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


def _values(of: Any) -> tuple[object, ...]:
    return _getter(of.__class__)(of)


@cache
def _getter(cls: Any) -> Callable[[Any], tuple[object, ...]]:
    """Gets all fields of an object of a class at once: thousands of facts are compared."""
    names = tuple(cls.__dataclass_fields__)
    return attrgetter(*names) if len(names) > 1 else lambda of: tuple([getattr(of, name) for name in names])


def _repr(this: Any) -> str:
    shown = ", ".join(f"{name}={getattr(this, name)!r}" for name in this.__dataclass_fields__)
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


def _reduce(this: Any) -> tuple[Callable[..., Any], tuple[object, ...]]:  # for copies and pickles
    return _rebuild, (type(this), _values(this))


def _rebuild(cls: type[T], values: tuple[object, ...]) -> T:
    made = cls.__new__(cls)
    for name, value_of in zip(cls.__dict__["__dataclass_fields__"], values, strict=True):
        object.__setattr__(made, name, value_of)
    return made


def _refuse(frozen_object: object, *_: object) -> None:
    raise FrozenInstanceError(f"a {type(frozen_object).__name__} cannot be changed: use dataclasses.replace")


_FROZEN: dict[str, Callable[..., Any]] = {"__setattr__": _refuse, "__delattr__": _refuse, "__reduce__": _reduce}
_MUTABLE: dict[str, Callable[..., Any]] = {"__repr__": _repr, "__eq__": _is_equal}
_VALUE: dict[str, Callable[..., Any]] = _MUTABLE | {"__hash__": _hash}


class _Unset:
    """Stands for a default that is made anew, in signatures too."""

    def __repr__(self) -> str:
        return "<empty>"


_UNSET = _Unset()


@dataclass(init=False, repr=False, eq=False, match_args=False)
class _Sample:
    """What the standard library makes of a class, by which its functions know one."""

    name: str


# `__init__` of classes with no field, one, two …: setters return None, so that `or` calls each of them, and None is the
# result. The numbers stand for the setters of a class, which `_initializer` gives the function as its globals.
_0 = _1 = _2 = _3 = _4 = _5 = _6 = _7 = _8 = _9 = _10 = _refuse
_11 = _12 = _13 = _14 = _15 = _16 = _17 = _18 = _19 = _20 = _refuse
# fmt: off
_INITIALIZERS: tuple[Callable[..., None], ...] = (
    lambda self: None,
    lambda self, a: _0(self, a),
    lambda self, a, b: _0(self, a) or _1(self, b),
    lambda self, a, b, c: _0(self, a) or _1(self, b) or _2(self, c),
    lambda self, a, b, c, d: _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d),
    lambda self, a, b, c, d, e: _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e),
    lambda self, a, b, c, d, e, f:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f),
    lambda self, a, b, c, d, e, f, g:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g),
    lambda self, a, b, c, d, e, f, g, h:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h),
    lambda self, a, b, c, d, e, f, g, h, i:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i),
    lambda self, a, b, c, d, e, f, g, h, i, j:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j),
    lambda self, a, b, c, d, e, f, g, h, i, j, k:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q) or _16(self, r),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q) or _16(self, r) or _17(self, s),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q) or _16(self, r) or _17(self, s) or _18(self, t),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q) or _16(self, r) or _17(self, s) or _18(self, t) or _19(self, u),
    lambda self, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u, v:
        _0(self, a) or _1(self, b) or _2(self, c) or _3(self, d) or _4(self, e) or _5(self, f) or _6(self, g)
        or _7(self, h) or _8(self, i) or _9(self, j) or _10(self, k) or _11(self, m) or _12(self, n) or _13(self, o)
        or _14(self, p) or _15(self, q) or _16(self, r) or _17(self, s) or _18(self, t) or _19(self, u)
        or _20(self, v),
)
# fmt: on

_IS_FIELD = fields(_Sample)[0]._field_type  # type: ignore[attr-defined]
_PARAMETERS = _Sample.__dataclass_params__  # type: ignore[attr-defined]


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def state(cls: type[T]) -> type[T]:
    """A dataclass with slots, equal to itself only."""
    return _define(cls, {})


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
    return _define(cls, _FROZEN | _VALUE | {"__lt__": _is_less})


def _define(cls: type[T], methods: Mapping[str, Callable[..., Any] | None]) -> type[T]:
    """The class anew, with slots for its fields and with these methods where it has none of its own."""
    if any(hasattr(base, "__dataclass_fields__") for base in cls.__bases__):
        raise TypeError(f"{cls.__name__}: fields of a base class are not taken over")
    members = {name: member for name, member in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    specs = _fields(get_annotations(cls), members)
    has_cache = any(isinstance(member, cached_property) for member in members.values())
    members["__slots__"] = (*specs, "__dict__") if has_cache else tuple(specs)
    members["__match_args__"] = tuple(name for name, spec in specs.items() if not spec.kw_only)
    members["__dataclass_fields__"], members["__dataclass_params__"] = specs, _PARAMETERS
    made: type[T] = type(cls.__name__, cls.__bases__, {**methods, **members})
    made.__qualname__ = cls.__qualname__
    if "__init__" not in members:
        made.__init__ = _FirstInitializer(made, _parameters(cls, specs))  # type: ignore[assignment,method-assign]
    return made


class _FirstInitializer:
    """Stands for `__init__` until a program asks the class for it: most classes have no object in a report."""

    def __init__(self, cls: type[Any], parameters: list[Field[Any]]) -> None:
        self._cls, self._parameters = cls, parameters

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        made = self._cls.__init__ = _initializer(self._cls, self._parameters)
        return made if instance is None else made.__get__(instance, owner)


def _parameters(cls: type[Any], specs: Mapping[str, Field[Any]]) -> list[Field[Any]]:
    """The fields as parameters: those by keyword only are the last ones. TypeError for one that needs a default."""
    parameters = sorted(specs.values(), key=lambda spec: bool(spec.kw_only))
    has_default = False
    for each in parameters:
        if each.default is not MISSING or each.default_factory is not MISSING:
            has_default = True
        elif has_default and not each.kw_only:
            raise TypeError(f"{cls.__name__}: {each.name} has no default and follows a field that has one")
    return parameters


def _fields(annotations: Mapping[str, Any], members: dict[str, Any]) -> dict[str, Field[Any]]:
    """The fields of a class in order. Their defaults are taken out of `members`: slots have the same names."""
    specs: dict[str, Field[Any]] = {}
    keyword_only = False
    for name, annotation in annotations.items():
        if annotation == "KW_ONLY":
            keyword_only = True
            continue
        default = members.pop(name, MISSING)
        spec: Any = default if isinstance(default, Field) else field(default=default)
        spec.name, spec.type, spec.kw_only = name, annotation, keyword_only
        spec._field_type = _IS_FIELD
        specs[name] = spec
    return specs


def _initializer(cls: type[Any], parameters: list[Field[Any]]) -> Any:
    """`__init__` with the parameters that `dataclass` would give it."""
    setters: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    keyword_defaults: dict[str, Any] = {}
    for number, each in enumerate(parameters):
        put = cls.__dict__[each.name].__set__  # of the slot
        default = each.default
        if each.default_factory is not MISSING:
            put, default = _setter(put, each.default_factory), _UNSET
        setters[f"_{number}"] = put
        if default is not MISSING:
            (keyword_defaults if each.kw_only else defaults)[each.name] = default
    keyword_only = sum(bool(each.kw_only) for each in parameters)
    code = _initializer_code(len(parameters)).replace(
        co_argcount=1 + len(parameters) - keyword_only,
        co_kwonlyargcount=keyword_only,
        co_varnames=("self", *(each.name for each in parameters)),
        co_name="__init__",
        co_qualname=f"{cls.__qualname__}.__init__",
    )
    initializer = FunctionType(code, setters, "__init__", tuple(defaults.values()))
    initializer.__kwdefaults__ = keyword_defaults
    initializer.__annotations__ = {each.name: each.type for each in parameters}
    return initializer


def _setter(put: Callable[..., None], make: Callable[[], object]) -> Callable[..., None]:
    """Sets a field whose default is made anew."""

    def put_or_make(this: object, given: object) -> None:
        put(this, make() if given is _UNSET else given)

    return put_or_make


@cache
def _initializer_code(number: int) -> CodeType:
    """`__init__` of a class with so many fields."""
    if number < len(_INITIALIZERS):
        return _INITIALIZERS[number].__code__
    parameters = [f"f{n}" for n in range(number)]
    body = " or ".join(f"_{n}(self, {parameter})" for n, parameter in enumerate(parameters))
    code: CodeType = eval(f"lambda self, {', '.join(parameters)}: {body}").__code__
    return code
