"""How many requests may be in flight at once."""

import asyncio


class Window:
  """Bound on requests in flight: additive increase, multiplicative decrease.

  Args:
    most: largest size of the window.
  """

  def __init__(self, most: int):
    self.most, self.size, self.busy = most, float(most), 0
    self.freed = asyncio.Condition()

  async def enter(self) -> None:
    """Waits for a free place and takes it."""
    async with self.freed:
      await self.freed.wait_for(lambda: self.busy < max(1, int(self.size)))
      self.busy += 1

  async def leave(self, limited: bool) -> None:
    """Frees a place; the window halves where the server was `limited`."""
    async with self.freed:
      self.busy -= 1
      if limited:
        self.size = max(1.0, self.size / 2)
      else:
        self.size = min(self.most, self.size + 1 / self.size)
      self.freed.notify_all()
