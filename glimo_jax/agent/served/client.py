"""A served language model: a sliding window of requests.

Requests leave and answers arrive in a thread of their own, while the caller
verifies. A slow request holds nobody else.
"""

import asyncio
import itertools
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

import httpx
import numpy as np

from glimo_jax.agent.llm import Answers, Completion, Request
from glimo_jax.agent.served import connection
from glimo_jax.agent.served.event_loop import EventLoop
from glimo_jax.agent.served.exchange import Exchange, ServedError
from glimo_jax.agent.served.settings import TeacherConfig
from glimo_jax.agent.served.workers import Workers
from glimo_jax.types import Message

_Opened = tuple[EventLoop, httpx.AsyncBaseTransport, Exchange]


class ServedLM:
  """A language model at `base_url`/chat/completions.

  Nothing is opened before the first request, so it may be made before a fork.
  One set of connections, one a slot, serves all requests, until `close`. The
  key is read at each try, never stored and never logged.

  Args:
    settings: with an address; see TeacherConfig.
    transport: in place of the network, in tests.
    sleep: in place of asyncio.sleep, in tests.

  Attributes:
    settings: as given.
    name: of the model, in the rows that it writes.
    totals: requests, retries, prompt_tokens, completion_tokens, cost so far.

  Raises:
    ValueError: the settings have no address.
  """

  def __init__(
    self,
    settings: TeacherConfig,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
  ):
    if not settings.base_url:
      raise ValueError("teacher.base_url is empty: name the server's address")
    self.settings, self.name = settings, settings.model
    self.totals: dict[str, float] = {
      "requests": 0, "retries": 0, "prompt_tokens": 0, "completion_tokens": 0,
      "cost": 0.0,
    }  # fmt: skip
    self._transport, self._sleep = transport, sleep
    self._opened: _Opened | None = None

  def __repr__(self) -> str:
    return f"ServedLM({self.settings.base_url!r}, {self.name!r})"

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order.

    Raises:
      ServedError: as `stream`.
    """
    found = dict(itertools.chain(*self.stream(deque(requests))))
    return [found[i] for i in range(len(requests))]

  def stream(self, requests: deque[Request]) -> Iterator[Answers]:
    """Yields answers as they arrive; see `llm.Streams`.

    Raises:
      ServedError: the server is not there, hangs, sends no usable answers, or
        refuses key or model. What is in flight is awaited and yielded first.
      BudgetExceeded: the budget is spent.
    """
    if not requests:
      return
    self._opened = self._opened or self._open()
    loop, _, exchange = self._opened
    exchange.begin()
    yield from Workers(
      loop,
      requests,
      lambda workers, request: exchange.complete(request, workers.resting),
      self.settings.concurrency,
    ).answers()

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """Not offered: the API returns no log p of a given text."""
    raise NotImplementedError(
      f"{self.name} is served and gives no log-likelihoods of given text: "
      "use a LocalLM for surprise and scoring"
    )

  def close(self) -> None:
    """Closes the connections and ends the thread."""
    if self._opened is not None:
      loop, transport, _ = self._opened
      loop.run(transport.aclose())
      loop.close()
    self._opened = None

  def _open(self) -> _Opened:
    url = connection.check_address(self.settings.base_url)
    try:
      transport = self._transport or connection.Connections(url)
    except ValueError as error:
      raise ServedError(str(error)) from None
    loop = EventLoop()
    weakref.finalize(self, loop.close)
    exchange = Exchange(self.settings, transport, self._sleep, self.totals)
    return loop, transport, exchange
