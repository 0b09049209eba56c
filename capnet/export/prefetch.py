"""Reads batches in a thread of its own, a few of them ahead of who writes them."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from capnet.table.batch import Batch

WAITING_BATCHES = 1


class Prefetch:
    """Reading begins at once. Iterate once; the thread ends with the batches, or after the `with` block is left."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._waiting: Queue[Batch | None] = Queue(WAITING_BATCHES)
        self._is_left = Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        while (batch := self._next()) is not None:
            yield batch
        if self._error:
            raise self._error

    def _next(self) -> Batch | None:
        """The next batch. An interruption is kept: where Arrow asks for the batch, it would become an OSError."""
        try:
            return self._waiting.get()
        except BaseException as error:
            self._error = error
            raise

    def raising(self, reader: Any) -> Any:
        """A reader of these batches, which raises what reading raised."""
        return _Raising(reader, self)

    @property
    def error(self) -> BaseException | None:
        """What reading raised."""
        return self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left.set()
        while not self._waiting.empty():  # so that the thread sees that it is left
            self._waiting.get()
        if error is None:
            self._thread.join()
        # After an error it may wait for a pipe for ever. It is a daemon: it ends with the process.

    def _read(self) -> None:
        try:
            for batch in self._batches:
                self._waiting.put(batch)
                if self._is_left.is_set():
                    break
        except BaseException as error:  # raised again in the thread that writes
            self._error = error
        self._waiting.put(None)


class _Raising:
    """A reader of Arrow's, whose errors are those of the batches."""

    def __init__(self, reader: Any, batches: Prefetch) -> None:
        self.schema = reader.schema
        self._reader = reader
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._reader
        except OSError:
            if self._batches.error:
                raise self._batches.error from None
            raise
