"""Workers that answer requests, in the thread of an event loop."""

import asyncio
import contextlib
import itertools
import queue
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from glimo_jax.agent.llm import Answers, Completion, Request
from glimo_jax.agent.served.event_loop import EventLoop

GATHER_S = 0.01  # s in which answers are gathered: one wake-up for all of them
_TAKEN = 4  # requests taken for each slot: those that rest between tries


class Workers:
  """Coroutines that take requests from a queue, until one of them fails.

  Args:
    loop: where they run.
    requests: taken from the left; more may be appended meanwhile.
    answer: gives the completion of a request; what it raises stops all.
    slots: most requests in flight.
  """

  def __init__(
    self,
    loop: EventLoop,
    requests: deque[Request],
    answer: Callable[["Workers", Request], Awaitable[Completion]],
    slots: int,
  ):
    self._loop, self._requests, self._answer = loop, requests, answer
    self._most, self._running = _TAKEN * slots, 0
    self._stopped: Exception | None = None
    self._numbers = itertools.count()
    # (number, completion), or None when a worker ends.
    self._done: queue.SimpleQueue[tuple[int, Completion] | None] = (
      queue.SimpleQueue()
    )
    self._tasks: set[asyncio.Task] = set()
    self._resting: set[asyncio.Task] = set()

  def answers(self) -> Iterator[Answers]:
    """Yields what has arrived, until nothing is left to ask.

    Raises:
      Exception: what `answer` raised first, after all that was in flight.
    """
    try:
      while self._start():
        found = [self._done.get()]
        time.sleep(GATHER_S)
        found += [self._done.get() for _ in range(self._done.qsize())]
        self._running -= found.count(None)
        if answers := [answer for answer in found if answer is not None]:
          yield answers
    finally:
      if self._running:
        self._loop.run(self._cancel())
    if self._stopped is not None:
      raise self._stopped

  @contextlib.contextmanager
  def resting(self) -> Iterator[None]:
    """Where a worker waits with nothing in flight: it ends at a stop."""
    task = asyncio.current_task()
    if self._stopped is not None or task is None:
      raise asyncio.CancelledError
    self._resting.add(task)
    try:
      yield
    finally:
      self._resting.discard(task)

  def _start(self) -> int:
    """Starts workers for the requests that wait; how many run."""
    wanted = min(len(self._requests), self._most - self._running)
    if wanted > 0 and self._stopped is None:
      self._loop.run(self._add(wanted))
      self._running += wanted
    return self._running

  async def _add(self, count: int) -> None:
    for _ in range(count):
      self._tasks.add(asyncio.create_task(self._work()))

  async def _cancel(self) -> None:
    tasks = list(self._tasks)
    for task in tasks:
      task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

  async def _work(self) -> None:
    try:
      while self._requests and self._stopped is None:
        number, request = next(self._numbers), self._requests.popleft()
        self._done.put((number, await self._answer(self, request)))
    except asyncio.CancelledError:
      pass  # it is the end of a worker, wherever it came from
    except Exception as error:
      self._stopped = self._stopped or error
      for task in self._resting:
        task.cancel()
    finally:
      self._tasks.discard(asyncio.current_task())  # pyright: ignore[reportArgumentType]
      self._done.put(None)
