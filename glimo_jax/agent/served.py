"""A served language model over the OpenAI-compatible HTTP API.

Works with vLLM, SGLang, llama.cpp and hosted models. The number of requests in
flight grows by one for each window of answers and halves on 429. One retry
layer follows Retry-After.
"""

import asyncio
import datetime
import email.utils
import os
import random
from collections.abc import Awaitable, Callable, Sequence

import httpx
import numpy as np

from glimo_jax.agent import wire
from glimo_jax.agent.llm import Completion, Request
from glimo_jax.agent.window import Window
from glimo_jax.types import Message

_RETRY = {408, 409, 425, 429}  # and every 5xx
_ABORT = {
  401: "the key is not accepted: set the environment variable that "
  "api_key_env names",
  402: "the account is out of credit: top it up or use another server",
  403: "the key may not use this model: choose another model or key",
  404: "no such model or path: check `model`, and that base_url ends in /v1 "
  "where the server wants it",
}
_LONGEST_WAIT = 60.0  # s


class ServedError(RuntimeError):
  """The server cannot serve this run; the message names the fix.

  Attributes:
    completions: answers received before the error, None for the others;
      `data.journal` keeps them.
  """

  completions: Sequence[Completion | None] = ()


class BudgetExceeded(ServedError):
  """The budget is spent."""


def check(base_url: str, concurrency: int) -> httpx.URL:
  """The parsed address of a server.

  Raises:
    ValueError: it is no address, holds credentials (which are not repeated),
      or concurrency is below 1.
  """
  try:
    url = httpx.URL(base_url)
  except httpx.InvalidURL:  # it may hold a secret: it is not repeated
    raise ValueError(
      "base_url is no address: give http(s)://host:port/path"
    ) from None
  secret = url.userinfo or url.query or url.fragment
  if url.scheme not in ("http", "https") or not url.host or secret:
    raise ValueError(
      f"base_url of host {url.host!r} must be http(s)://host:port/path "
      "without credentials or a query: put the key into an environment "
      "variable and name it in api_key_env"
    )
  if concurrency < 1:
    raise ValueError(f"concurrency {concurrency} must be at least 1")
  return url


class ServedLM:
  """A language model behind `base_url`/chat/completions.

  Nothing is opened before the first request, so it may be made before a fork.

  Args:
    base_url: of the API, such as http://127.0.0.1:8000/v1.
    model: the server's name for the model.
    api_key_env: environment variable with the key; "" for none. The key is
      read at each call, never stored and never logged.
    concurrency: most requests in flight.
    timeout: of one request, s.
    retries: further tries after a 429, 5xx or timeout.
    backoff: wait before the first retry, s; doubles, with jitter.
    prices: cost of a million prompt and completion tokens, or None.
    budget: cost at which to stop, in the unit of `prices`; None for no limit.
    transport: in place of the network, in tests.
    sleep: in place of asyncio.sleep, in tests.

  Attributes:
    totals: requests, retries, prompt_tokens, completion_tokens, cost so far.
  """

  def __init__(
    self,
    base_url: str,
    model: str,
    *,
    api_key_env: str = "",
    concurrency: int = 16,
    timeout: float = 120.0,
    retries: int = 5,
    backoff: float = 0.5,
    prices: tuple[float, float] | None = None,
    budget: float | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
  ):
    url = check(base_url, concurrency)
    if retries < 0:
      raise ValueError(f"retries {retries} must be at least 0")
    if budget is not None and prices is None:
      raise ValueError(
        f"budget {budget} needs prices: set them for a million prompt and "
        "completion tokens"
      )
    self.base_url, self.model, self.name = str(url).rstrip("/"), model, model
    self.api_key_env, self.concurrency = api_key_env, concurrency
    self.timeout, self.retries, self.backoff = timeout, retries, backoff
    self.prices, self.budget = prices, budget
    self.totals = {
      "requests": 0, "retries": 0, "prompt_tokens": 0, "completion_tokens": 0,
      "cost": 0.0,
    }  # fmt: skip
    self._transport, self._sleep = transport, sleep
    self._schemas = True  # until the server rejects one
    self._answered = False

  def __repr__(self) -> str:
    return f"ServedLM({self.base_url!r}, {self.model!r})"

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order.

    Raises:
      ServedError: the server is not there, or refuses the key or the model.
      BudgetExceeded: the budget is spent; nothing more was sent.
    """
    return asyncio.run(self._generate(requests)) if requests else []

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """Not offered: the API returns no log p of a given text."""
    raise NotImplementedError(
      f"{self.model} is served and gives no log-likelihoods of given text: "
      "use a LocalLM for surprise and scoring"
    )

  async def _generate(self, requests: Sequence[Request]) -> list[Completion]:
    window = Window(self.concurrency)
    stopped: list[ServedError] = []
    async with httpx.AsyncClient(
      timeout=self.timeout, transport=self._transport, headers=self._headers()
    ) as client:

      async def one(request: Request) -> Completion | None:
        if stopped:
          return None
        try:
          return await self._complete(client, window, request, stopped)
        except ServedError as error:
          stopped.append(error)
          return None

      completions = await asyncio.gather(*map(one, requests))
    if stopped:
      stopped[0].completions = completions
      raise stopped[0]
    return [c for c in completions if c is not None]  # all: nothing stopped

  def _headers(self) -> dict[str, str]:
    if not self.api_key_env:
      return {}
    key = os.environ.get(self.api_key_env, "")
    if not key:
      raise ServedError(
        f"environment variable {self.api_key_env} is empty: export the key of "
        f"{self.base_url} in it"
      )
    return {"Authorization": f"Bearer {key}"}

  async def _complete(self, client, window, request, stopped) -> Completion:
    """One request with its retries; without schema where that is rejected."""
    as_schema = self._schemas and bool(request.choices or request.schema)
    response = await self._post(client, window, request, as_schema, stopped)
    if as_schema and _status(response) in (400, 422):
      response = await self._post(client, window, request, False, stopped)
      as_schema = False
      if _status(response) == 200:
        self._schemas = False  # it was the schema that was rejected
    if isinstance(response, str):
      return self._error("retry", response)
    if response.status_code != 200:
      return self._error("reject", self._message(response))
    completion = wire.read(response.text, request, self.model, as_schema)
    self._count(completion)
    return completion

  async def _post(
    self, client, window, request, as_schema, stopped
  ) -> httpx.Response | str:
    """The final response, or the reason why there is none."""
    reason = ""
    for attempt in range(self.retries + 1):
      await window.enter()
      limited, response = False, None
      try:
        if stopped:
          raise stopped[0]
        if self.budget is not None and self.totals["cost"] >= self.budget:
          raise BudgetExceeded(
            f"cost {self.totals['cost']:.4f} has reached budget {self.budget}: "
            "raise the budget and start again; answers so far are kept"
          )
        response = await client.post(
          f"{self.base_url}/chat/completions",
          json=wire.payload(request, self.model, as_schema),
        )
        self.totals["requests"] += 1
        limited = response.status_code == 429
      except httpx.ConnectError as error:
        if not self._answered:
          raise ServedError(
            f"no server answers at base_url {self.base_url}, which should "
            f"serve {self.model} to write instructions: start one (for "
            "example `vllm serve`) or correct base_url"
          ) from error
        reason = f"{type(error).__name__}: the server went away"
      except httpx.TransportError as error:
        reason = f"{type(error).__name__} after {self.timeout} s or less"
      finally:
        await window.leave(limited)
      if response is not None:
        self._answered = True
        status = response.status_code
        if status in _ABORT:
          raise ServedError(
            f"{self.base_url} answered {status} for {self.model}: "
            f"{_ABORT[status]} ({self._message(response)})"
          )
        if status not in _RETRY and status < 500:
          return response
        reason = self._message(response)
      if attempt < self.retries:
        self.totals["retries"] += 1
        await self._sleep(self._wait(attempt, response))
    return f"gave up after {self.retries + 1} tries: {reason}"

  def _wait(self, attempt: int, response: httpx.Response | None) -> float:
    """Seconds before the next try; Retry-After has priority."""
    asked = response.headers.get("retry-after") if response is not None else ""
    if asked:
      try:
        return min(max(0.0, float(asked)), _LONGEST_WAIT)
      except ValueError:
        try:
          until = email.utils.parsedate_to_datetime(asked)
        except ValueError:
          until = None
        if until is not None and until.tzinfo is not None:
          now = datetime.datetime.now(datetime.UTC)
          ahead = (until - now).total_seconds()
          return min(max(0.0, ahead), _LONGEST_WAIT)
    wait = min(self.backoff * 2**attempt, _LONGEST_WAIT)
    return wait * random.uniform(0.5, 1.0)

  def _count(self, completion: Completion) -> None:
    read, wrote = completion.prompt_tokens, completion.completion_tokens
    self.totals["prompt_tokens"] += read
    self.totals["completion_tokens"] += wrote
    if self.prices is not None:
      cost = (read * self.prices[0] + wrote * self.prices[1]) / 1e6
      self.totals["cost"] += cost

  def _error(self, error_class: str, error: str) -> Completion:
    return Completion(
      "", "error", 0, 0, self.model, error=error, error_class=error_class
    )

  def _message(self, response: httpx.Response) -> str:
    """The server's message, shortened, without the key."""
    text = f"{response.status_code} {response.text[:200]}"
    key = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
    return text.replace(key, "***") if key else text


def _status(response: httpx.Response | str) -> int | None:
  return None if isinstance(response, str) else response.status_code
