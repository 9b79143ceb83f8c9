"""An event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
  """Runs coroutines while the caller's thread computes, until `close`.

  The thread ends with the process, so that it never keeps one alive.
  """

  def __init__(self):
    self._loop = asyncio.new_event_loop()
    self._thread = threading.Thread(
      target=self._loop.run_forever, name="served-lm", daemon=True
    )
    self._thread.start()

  def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that runs in the thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

  def close(self) -> None:
    """Ends the thread."""
    if not self._loop.is_closed():
      self._loop.call_soon_threadsafe(self._loop.stop)
      self._thread.join()
      self._loop.close()
