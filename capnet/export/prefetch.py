"""Reads batches in a thread of its own, a few of them ahead of who writes them."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import Any, Self

from capnet.analysis.aggregate.parallel import MAX_UNINTERRUPTED
from capnet.table.batch import Batch

WAITING_BATCHES = 1


class Prefetch:
    """Reading begins at once. Iterate once; the thread ends with the batches, or after the `with` block is left."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._waiting: SimpleQueue[Batch | None] = SimpleQueue()
        self._room = Semaphore(WAITING_BATCHES)
        self._is_left = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        while (batch := self._next()) is not None:
            yield batch
        if self._error:
            raise self._error

    def _next(self) -> Batch | None:
        """The next batch. An interruption is kept: where Arrow asks for the batch, it would become an OSError.

        Not from a Queue of Python's, which raises RuntimeError where Ctrl-C comes as it begins to wait.
        """
        try:
            while True:
                try:
                    batch = self._waiting.get(timeout=MAX_UNINTERRUPTED)
                except Empty:
                    continue
                self._room.release()
                return batch
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
        self._is_left = True
        self._room.release()  # so that the thread sees that it is left
        if error is None:
            self._thread.join()
        # After an error it may wait for a pipe for ever. It is a daemon: it ends with the process.

    def _read(self) -> None:
        try:
            for batch in self._batches:
                self._room.acquire()
                if self._is_left:
                    break
                self._waiting.put(batch)
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
