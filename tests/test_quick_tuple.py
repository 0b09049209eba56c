"""`quick_tuple.NamedTuple` does what `typing.NamedTuple` does."""

from __future__ import annotations

import pickle
from typing import NamedTuple as TypingNamedTuple

import pytest

from capnet.quick_tuple import NamedTuple


class Stop(NamedTuple):
    """A place."""

    point: str
    packets: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are no packets."""
        return self.packets == 0


class Same(TypingNamedTuple):
    point: str
    packets: int = 0


def test_items_defaults_and_methods_are_there() -> None:
    stop = Stop("A/ens33")
    assert (stop.point, stop.packets, stop.is_empty, stop[0]) == ("A/ens33", 0, True, "A/ens33")
    assert stop == ("A/ens33", 0) and hash(stop) == hash(("A/ens33", 0))
    assert stop._replace(packets=3) == Stop(packets=3, point="A/ens33")
    assert pickle.loads(pickle.dumps(stop)) == stop


def test_class_describes_itself_as_typing_does() -> None:
    assert (Stop._fields, Stop._field_defaults) == (Same._fields, Same._field_defaults)
    assert repr(Stop("x")) == repr(Same("x")).replace("Same", "Stop")
    assert (Stop.__doc__, Stop.__module__, Stop.__qualname__) == ("A place.", __name__, "Stop")
    assert list(Stop.__annotations__) == ["point", "packets"]


def test_missing_item_is_an_error() -> None:
    with pytest.raises(TypeError, match="point"):
        Stop()  # type: ignore[call-arg]


def test_field_that_is_not_there_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match="frames"):
        Stop("x")._replace(frames=1)  # type: ignore[call-arg]


def test_field_after_a_default_needs_one() -> None:
    with pytest.raises(TypeError, match="Wrong"):

        class Wrong(NamedTuple):
            packets: int = 0
            point: str  # type: ignore[misc]


def test_items_are_as_many_as_the_fields() -> None:
    with pytest.raises(TypeError, match="Stop has 2 fields, not 3"):
        Stop._make(("x", 1, 2))


def test_many_fields() -> None:
    """Of more fields than there are constructors for, one is made."""
    names = [f"field_{number}" for number in range(40)]
    made = type(NamedTuple)("Large", (NamedTuple,), {"__annotations__": dict.fromkeys(names, int), "field_39": 7})
    large = made(*range(39))
    assert (large.field_0, large.field_38, large.field_39) == (0, 38, 7)
    assert large._asdict() == dict(zip(names, [*range(39), 7], strict=True))
    with pytest.raises(TypeError, match="Huge has 65 fields"):
        type(NamedTuple)("Huge", (NamedTuple,), {"__annotations__": {f"f{number}": int for number in range(65)}})
