"""What a reply without an answer means, and what to do about it.

| the server says | what happens |
|---|---|
| 408, 409, 425, 429, 5xx, no reply, no JSON, no completion | tried again |
| 401, 402, 403, 404, 3xx, a spent quota | the run stops and says what to do |
| any other 4xx | this request is rejected |

An error in the body of a 200 counts as the status that it names.
"""

import dataclasses
import datetime
import email.utils
import json
from typing import Any

import httpx

from glimo_jax.agent.served.connection import Reply

BUSY = (429, 503)  # the server wants fewer requests at once
_RETRY = {0, 200, 408, 409, 425, 429}  # and every 5xx; 0: no reply
_ADVICE = {
  401: "the key is not accepted: set the environment variable that "
  "teacher.api_key_env names",
  402: "the account is out of credit: top it up or use another server",
  403: "the key may not use this model: choose another model or key",
  404: "no such model or path: check teacher.model, and that teacher.base_url "
  "ends in /v1 where the server wants it",
}
_LONGEST_WAIT = 60.0  # s
_SHOWN = 200  # characters of the server's words
# Errors by name, where a server gives no number.
_NAMED = {
  "authentication_error": 401,
  "invalid_api_key": 401,
  "billing_hard_limit_reached": 402,
  "billing_not_active": 402,
  "insufficient_quota": 402,
  "model_not_found": 404,
  "rate_limit_error": 429,
  "rate_limit_exceeded": 429,
  "invalid_request_error": 400,
}
_QUOTA = tuple(name for name, status in _NAMED.items() if status == 402)


@dataclasses.dataclass(frozen=True)
class Fault:
  """Why a reply holds no answer.

  Attributes:
    status: of HTTP, or the one that the body of a 200 names; 0: no reply.
    message: the server's words, shortened.
    advice: what a person has to do before anything is asked again; "" where
      another try, or another request, may succeed.
    wait: seconds that the server asks to wait; None where it names none.
  """

  status: int
  message: str
  advice: str = ""
  wait: float | None = None

  @property
  def transient(self) -> bool:
    """Whether another try may succeed."""
    return self.status in _RETRY or self.status >= 500


def completion_of(reply: Reply) -> dict[str, Any] | Fault:
  """The JSON of a chat completion, or why the reply holds none."""
  if 300 <= reply.status < 400:
    return _redirected(reply)
  try:
    body = json.loads(reply.text)
  except (ValueError, RecursionError):
    body = None
  error = _error(body)
  if not reply.whole:
    words = f"an answer larger than max_answer_bytes, {len(reply.text)}"
    return Fault(reply.status if reply.status >= 400 else 200, words)
  if reply.status != 200 or error is not None:
    status = reply.status if reply.status != 200 else _named_status(error)
    return _refused(status, error, reply)
  if isinstance(body, dict) and _is_completion(body):
    return body
  return Fault(200, f"a 200 without a completion: {reply.text[:_SHOWN]!r}")


def unreachable(message: str) -> Fault:
  """A try without a reply."""
  return Fault(0, message)


def _redirected(reply: Reply) -> Fault:
  try:
    to = httpx.URL(reply.headers.get("location", ""))
    where = str(to.copy_with(username=None, password=None, query=None))
  except httpx.InvalidURL:
    where = "an address that cannot be read"
  return Fault(
    reply.status,
    f"{reply.status} to {where}",
    "the server sends requests elsewhere, and the key is not sent along: if "
    "you trust that address, make it teacher.base_url, without "
    "/chat/completions",
  )


def _refused(status: int, error: Any, reply: Reply) -> Fault:
  words = f"{status} {reply.text[:_SHOWN]}"
  spent = _names(error) & set(_QUOTA)
  return Fault(
    status, words, _ADVICE.get(402 if spent else status, ""), _asked_wait(reply)
  )


def _error(body: Any) -> Any:
  """The error that a body holds; None without one."""
  if not isinstance(body, dict):
    return None
  if body.get("error"):
    return body["error"]
  choices = body.get("choices")
  first = choices[0] if isinstance(choices, list) and choices else None
  return first.get("error") or None if isinstance(first, dict) else None


def _names(error: Any) -> set[str]:
  if not isinstance(error, dict):
    return set()
  return {str(error.get(field)) for field in ("code", "type", "status")}


def _named_status(error: Any) -> int:
  """The HTTP status that an error under 200 stands for."""
  names = _names(error)
  numbers = [int(name) for name in names if name.isdecimal()]
  known = [n for n in numbers if 400 <= n < 600]
  known += [_NAMED[name] for name in sorted(names) if name in _NAMED]
  return known[0] if known else 500


def _is_completion(body: Any) -> bool:
  try:
    return isinstance(body["choices"][0]["message"], dict)
  except (LookupError, TypeError):
    return False


def _asked_wait(reply: Reply) -> float | None:
  """Seconds of Retry-After, at most a minute."""
  asked = reply.headers.get("retry-after", "")
  try:
    seconds = float(asked)
  except ValueError:
    try:
      until = email.utils.parsedate_to_datetime(asked)
    except ValueError:
      return None
    if until.tzinfo is None:
      return None
    seconds = (until - datetime.datetime.now(datetime.UTC)).total_seconds()
  if seconds != seconds:  # nan
    return None
  return min(max(0.0, seconds), _LONGEST_WAIT)


def backoff(first: float, attempt: int) -> float:
  """Longest wait before a retry without Retry-After, in seconds.

  Args:
    first: before the first retry, s.
    attempt: retries so far.
  """
  return min(first * 2.0 ** min(attempt, 30), _LONGEST_WAIT)
