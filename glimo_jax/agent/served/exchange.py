"""One request to a server, with its retries."""

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import httpx

from glimo_jax.agent.llm import Completion, Request, TeacherError, answered
from glimo_jax.agent.served import answers, connection, faults, wire
from glimo_jax.agent.served.faults import Fault
from glimo_jax.agent.served.settings import TeacherConfig
from glimo_jax.agent.served.window import Window

_log = logging.getLogger(__name__)

PATIENCE = 20  # requests in a row without a usable answer; then the run stops
_SILENCE = 3  # timeouts in which nothing came back; then the server hangs


class ServedError(TeacherError):
  """The server cannot serve this run; the message names the fix."""


class BudgetExceeded(ServedError):
  """The budget is spent."""


class Exchange:
  """Asks a server: tries, retries, and what was learnt and spent so far.

  Args:
    settings: with an address; see TeacherConfig.
    transport: sends the requests.
    sleep: waits between tries, s.
    totals: counted on.

  Attributes:
    totals: as given.
    dialect: fields that the server takes.
  """

  def __init__(
    self,
    settings: TeacherConfig,
    transport: httpx.AsyncBaseTransport,
    sleep: Callable[[float], Awaitable[None]],
    totals: dict[str, float],
  ):
    self._settings, self._transport = settings, transport
    self._sleep = sleep
    self._url = httpx.URL(settings.base_url.rstrip("/") + "/chat/completions")
    self.totals = totals
    self.dialect = wire.Dialect()
    self._window = Window(settings.concurrency)
    self._replied = False  # whether anything ever came back
    self._heard = 0.0  # when something last came back, s
    self._timeouts = 0  # since then
    self._unusable = 0  # requests in a row without a usable answer

  def begin(self) -> None:
    """Starts the clock that finds a server that hangs."""
    self._heard, self._timeouts = time.monotonic(), 0

  async def complete(
    self,
    request: Request,
    resting: Callable[[], AbstractContextManager[None]],
  ) -> Completion:
    """The completion of a request, or the error that it ended with.

    Args:
      request: what is asked.
      resting: entered wherever nothing is in flight.

    Raises:
      ServedError: nothing more should be asked.
    """
    attempt, plain = 0, False
    while True:
      dialect, result = await self._in_turn(request, plain, resting)
      if isinstance(result, Completion):
        if plain:  # it was the schema that the server refused
          self._learn(dataclasses.replace(self.dialect, schemas=False))
        self._count(result)
        return self._checked(result)
      if result.advice:
        raise ServedError(
          f"{self._settings.base_url} answered {result.status} for "
          f"{self._settings.model}: {result.advice} ({result.message})"
        )
      if result.status in (400, 422):
        if dialect.without(result.message) != dialect:
          self._learn(self.dialect.without(result.message))
          continue
        if dialect.as_schema(request):  # perhaps the server takes none
          plain = True
          continue
      if not result.transient:
        return self._checked(self._error("reject", result.message))
      if attempt == self._settings.retries:
        reason = f"gave up after {attempt + 1} tries: {result.message}"
        return self._checked(self._error("retry", reason))
      self.totals["retries"] += 1
      with resting():
        await self._sleep(self._wait(attempt, result))
      attempt += 1

  async def _in_turn(
    self,
    request: Request,
    plain: bool,
    resting: Callable[[], AbstractContextManager[None]],
  ) -> tuple[wire.Dialect, Completion | Fault]:
    """One try when the window has a place, and the dialect that it used."""
    with resting():
      entered = await self._window.enter()
    busy, dialect = False, self.dialect
    if plain:
      dialect = dataclasses.replace(dialect, schemas=False)
    try:
      result = await self._try(request, dialect)
      busy = isinstance(result, Fault) and result.status in faults.BUSY
    finally:
      self._window.leave(entered, busy)
    return dialect, result

  async def _try(
    self, request: Request, dialect: wire.Dialect
  ) -> Completion | Fault:
    """One try; a ServedError where no other could succeed."""
    settings = self._settings
    if settings.budget and self.totals["cost"] >= settings.budget:
      raise BudgetExceeded(
        f"cost {self.totals['cost']:.4f} has reached budget {settings.budget}: "
        "raise the budget and start again; answers so far are kept"
      )
    body = wire.payload(request, settings.model, dialect, settings.extra_body)
    try:
      key = connection.read_key(settings.api_key_env)
    except ValueError as error:
      raise ServedError(str(error)) from None
    try:
      async with asyncio.timeout(settings.timeout):
        reply = await connection.post(
          self._transport, self._url, key, body, settings.max_answer_bytes
        )
    except (TimeoutError, httpx.RequestError) as error:
      return self._no_reply(error)
    self.totals["requests"] += 1
    self._replied = True
    self.begin()
    found = faults.completion_of(reply)
    if isinstance(found, Fault):
      return found
    as_schema = dialect.as_schema(request)
    return answers.read(found, request, settings.model, as_schema)

  def _no_reply(self, error: Exception) -> Fault:
    """Why nothing came back; a ServedError where nothing will."""
    settings, name = self._settings, type(error).__name__
    if isinstance(error, httpx.ConnectError) and not self._replied:
      raise ServedError(
        f"no server answers at base_url {settings.base_url}, which should "
        f"serve {settings.model} to write instructions: start one "
        f"(docs/teacher.md) or correct teacher.base_url ({error})"
      ) from error
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)):
      raise ServedError(
        f"no request can be sent to {settings.base_url} ({name}): check "
        "teacher.base_url and the key"
      ) from None  # the error may repeat the key
    if isinstance(error, httpx.ConnectError):
      return faults.unreachable(f"{name}: the server went away")
    if not isinstance(error, (TimeoutError, httpx.TimeoutException)):
      return faults.unreachable(f"{name}: the connection broke")
    self._timeouts += 1
    silence = time.monotonic() - self._heard
    if self._timeouts >= _SILENCE and silence > _SILENCE * settings.timeout:
      raise ServedError(
        f"nothing came back from {settings.base_url} for {silence:.0f} s: the "
        "server hangs, or is slower than teacher.timeout; restart it, raise "
        "teacher.timeout, or lower teacher.concurrency"
      )
    return faults.unreachable(f"no answer within {settings.timeout} s")

  def _learn(self, dialect: wire.Dialect) -> None:
    if dialect != self.dialect:
      self.dialect = dialect
      _log.info("the teacher's server takes from here on: %s", dialect)

  def _wait(self, attempt: int, fault: Fault) -> float:
    """Seconds before the next try; Retry-After has priority."""
    if fault.wait is not None:
      return fault.wait
    longest = faults.backoff(self._settings.backoff, attempt)
    return longest * random.uniform(0.5, 1.0)

  def _count(self, completion: Completion) -> None:
    read, wrote = completion.prompt_tokens, completion.completion_tokens
    self.totals["prompt_tokens"] += read
    self.totals["completion_tokens"] += wrote
    self.totals["cost"] += self._settings.cost(read, wrote)

  def _checked(self, completion: Completion) -> Completion:
    """The completion; a ServedError after too many without an answer."""
    self._unusable = 0 if answered(completion) else self._unusable + 1
    if self._unusable >= PATIENCE:
      raise ServedError(
        f"{self._settings.base_url} gave no usable answer to {PATIENCE} "
        f"requests in a row, the last with: {completion.error}; mend the "
        "server or the settings and start again: answers so far are kept"
      )
    return completion

  def _error(self, error_class: str, error: str) -> Completion:
    return Completion(
      "", "error", 0, 0, self._settings.model, error=error,
      error_class=error_class,
    )  # fmt: skip
