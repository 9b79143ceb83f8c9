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
      target=self._serve, name="served-lm", daemon=True
    )
    self._thread.start()

  def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that runs in the thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

  def close(self) -> None:
    """Ends the thread."""
    if self._thread.is_alive():
      self._loop.call_soon_threadsafe(self._loop.stop)
      if threading.current_thread() is not self._thread:
        self._thread.join()

  def _serve(self) -> None:
    self._loop.run_forever()
    self._loop.close()
