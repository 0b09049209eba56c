"""capnet.quick_dataclass makes what `dataclasses` would make."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import KW_ONLY, FrozenInstanceError, asdict, dataclass, field, replace
from functools import cached_property

import pytest

from capnet.quick_dataclass import fact, frozen, mutable, state, value


@value
class Place:
    """A point and a frame."""

    _: KW_ONLY
    marks: list[str] = field(default_factory=list)
    point: str
    frame: int = 1


@dataclass(frozen=True, slots=True)
class Expected:
    """Like Place, by the standard library."""

    _: KW_ONLY
    marks: list[str] = field(default_factory=list)
    point: str
    frame: int = 1


@fact
class Ordered:
    """Two fields."""

    first: int
    second: str = ""


@frozen
class Held:
    """A field."""

    array: object


@mutable
class Counter:
    """A field."""

    count: int = 0


def test_mutable_can_be_changed() -> None:
    counter, other = Counter(), Counter(count=1)
    assert counter != other
    counter.count = 1
    assert counter == other
    assert copy.deepcopy(counter) == pickle.loads(pickle.dumps(counter)) == counter
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_value_is_like_a_dataclass() -> None:
    place, expected = Place(point="docker0"), Expected(point="docker0")
    assert repr(place) == repr(expected).replace("Expected", "Place")
    assert asdict(place) == asdict(expected)
    assert inspect.signature(Place).parameters.keys() == inspect.signature(Expected).parameters.keys()
    assert [p.kind for p in inspect.signature(Place).parameters.values()] == [
        p.kind for p in inspect.signature(Expected).parameters.values()
    ]
    assert inspect.signature(Place).parameters["frame"].annotation == "int"
    assert place == Place(point="docker0") != replace(place, frame=2)
    assert copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == copy.copy(place) == place
    assert Place(point="a").marks is not place.marks
    with pytest.raises(TypeError):
        Place("docker0")  # type: ignore[misc]


@pytest.mark.parametrize("made", [Place(point="docker0"), Ordered(1), Held(1)])
def test_frozen_cannot_be_changed(made: object) -> None:
    name = next(iter(made.__slots__))  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError, match=type(made).__name__):
        setattr(made, name, None)
    with pytest.raises(FrozenInstanceError):
        delattr(made, name)


def test_only_facts_are_ordered() -> None:
    assert sorted([Ordered(2, "a"), Ordered(1, "b"), Ordered(1, "a")]) == [
        Ordered(1, "a"), Ordered(1, "b"), Ordered(2, "a"),
    ]  # fmt: skip
    with pytest.raises(TypeError):
        sorted([Place(point="b"), Place(point="a")])  # type: ignore[type-var]


def test_frozen_equals_only_itself() -> None:
    held = Held([1])
    assert held == held
    assert held != Held([1])
    assert len({held, Held([1])}) == 2


def test_field_after_a_default_needs_one() -> None:
    with pytest.raises(TypeError, match="point"):

        @value
        class Wrong:
            packets: int = 0
            point: str  # type: ignore[misc]


@state
class Talker:
    """Fields, and a result that is kept."""

    packets: int = 0
    points: set[int] = field(default_factory=set)

    @cached_property
    def name(self) -> str:
        """Made once."""
        return f"talker of {self.packets}"


def test_state_can_be_changed_and_equals_only_itself() -> None:
    talker = Talker(2)
    assert talker.name is talker.name == "talker of 2"
    talker.packets = 3
    assert (talker.packets, talker.name) == (3, "talker of 2")
    assert talker == talker != Talker(3)
    assert len({talker, Talker(3)}) == 2
    assert replace(talker, points={1}).packets == 3


def test_fields_of_a_base_are_refused() -> None:
    with pytest.raises(TypeError, match="Wider"):

        @value
        class Wider(Place):
            more: int = 0


def test_constructor_is_compiled_when_it_is_asked_for() -> None:
    @value
    class Late:
        frame: int

    class Derived(Late):
        pass

    assert Derived(3).frame == 3 and Late(3) == Late(frame=3)
    assert inspect.isfunction(vars(Late)["__init__"])
    assert "__init__" not in vars(Derived)
