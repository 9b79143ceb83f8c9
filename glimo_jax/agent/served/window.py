"""How many requests may be in flight at once."""

import asyncio
from collections import deque


class Window:
  """Bound on requests in flight: additive increase, multiplicative decrease.

  The size grows by one for each window of answers. It halves when the server
  is busy, once for all requests that were in flight together.

  Args:
    most: largest size of the window, and its first.
  """

  def __init__(self, most: int):
    self.most, self.size, self.busy = most, float(most), 0
    self._halvings = 0
    self._waiting: deque[asyncio.Future[None]] = deque()

  async def enter(self) -> int:
    """Waits for a free place and takes it; returns what `leave` wants."""
    if self.busy < int(self.size):
      self.busy += 1
    else:
      place = asyncio.get_running_loop().create_future()
      self._waiting.append(place)
      try:
        await place
      except asyncio.CancelledError:
        if place.done() and not place.cancelled():  # the place was given
          self._free()
        raise
    return self._halvings

  def leave(self, entered: int, limited: bool) -> None:
    """Frees a place.

    Args:
      entered: what `enter` returned.
      limited: whether the server was busy.
    """
    if not limited:
      self.size = min(self.most, self.size + 1 / self.size)
    elif entered == self._halvings:
      self.size = max(1.0, self.size / 2)
      self._halvings += 1
    self._free()

  def _free(self) -> None:
    self.busy -= 1
    while self._waiting and self.busy < int(self.size):
      place = self._waiting.popleft()
      if not place.done():  # else it was cancelled
        self.busy += 1
        place.set_result(None)
