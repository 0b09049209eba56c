"""What points show of an address that answers no question for its MAC: where it is, or why it does not answer."""

from __future__ import annotations

from enum import Enum

from capnet.quick_tuple import NamedTuple


class Place(Enum):
    """What a point shows of an address that does not answer."""

    HOME = "its own interface, which gets the questions"
    BROUGHT = "its packets, which a host of this link brings"
    TRANSLATED = "that a host of this link translates another address to it"
    ROUTED = "that another station of this link reaches it by a router"
    ELSEWHERE = "that it is on another network of this host"
    ANSWERS = "its answers, which do not come back"
    STOPS = "no such question, though it shows those of others"
    UNHEARD = "its own interface, which does not get the questions, though frames of it come to where they are seen"
    NOT_FLOODED = "the tunnel end behind which it is, and which does not get the questions"
    BEHIND = "that a bridge of a host has it"
    PROXIED = "that the node answers for this link-local gateway at the interface of another pod"
    WAY_BACK = "that answers to another network have to go by it"
    BROADCAST = "that it is no host's, but a broadcast address"


EXISTS = tuple(place for place in Place if place != Place.BROADCAST)  # where it must be reached, so that it is a fault


class Whereabouts(NamedTuple):
    """Where the address is that does not answer."""

    point: str  # its name, or the one that it would have; the address of the asker's tunnel end
    mac: int
    place: Place
    other: str = (
        ""  # an address that shows it: whose questions pass, who is translated, the target's tunnel end, a client
    )
