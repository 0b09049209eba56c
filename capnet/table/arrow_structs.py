"""The structures of Arrow's C interface, and capsules that hold them."""

from __future__ import annotations

import ctypes
from typing import Any

_API = ctypes.PyDLL(None)  # of its own: the types of `ctypes.pythonapi` are shared by all libraries
_API.PyCapsule_New.restype = ctypes.py_object
_API.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_API.PyCapsule_GetPointer.restype = ctypes.c_void_p
_API.PyCapsule_GetPointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_API.PyCapsule_GetName.restype = ctypes.c_void_p
_API.PyCapsule_GetName.argtypes = [ctypes.c_void_p]

_in_capsules: dict[int, tuple[Any, bytes, Any]] = {}  # address → structure, name of its capsule, its release


class Schema(ctypes.Structure):
    """`struct ArrowSchema`."""


class Array(ctypes.Structure):
    """`struct ArrowArray`."""


class ArrowArrayStream(ctypes.Structure):
    """`struct ArrowArrayStream`."""

    _fields_ = [(name, ctypes.c_void_p) for name in "get_schema get_next get_last_error release private_data".split()]


Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip
Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))), ("dictionary", ctypes.POINTER(Array)),
    ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip


def pointer_to(function: Any) -> int | None:
    """The address of a callback."""
    return ctypes.cast(function, ctypes.c_void_p).value


def is_released(pointer: Any) -> bool:
    """Whether what a pointer leads to was released, or moved elsewhere."""
    return not pointer.contents.release


def capsule(structure: ctypes.Structure, name: bytes, release: Any) -> object:
    """A capsule of a structure, which releases it if the consumer has not taken it."""
    address = ctypes.addressof(structure)
    _in_capsules[address] = structure, name, release
    held: object = _API.PyCapsule_New(address, ctypes.c_char_p(name), pointer_to(_forget))
    return held


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _forget(held: int) -> None:
    """Called when a capsule is deleted."""
    address = _API.PyCapsule_GetPointer(held, ctypes.cast(_API.PyCapsule_GetName(held), ctypes.c_char_p))
    structure, _, release = _in_capsules.pop(address)
    if structure.release:
        release(ctypes.byref(structure))
