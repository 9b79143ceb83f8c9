"""The settings of a teacher, checked before any work."""

import dataclasses
import json
import math
from typing import Any

from glimo_jax import fields
from glimo_jax.agent.served import connection

# What the client itself writes into each request.
_OURS = ("messages", "model", "n", "response_format", "stream")


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
  """The language model that drafts rows.

  Attributes:
    base_url: of an OpenAI-compatible server; "" for the model itself.
    model: the server's name for its model.
    api_key_env: environment variable that holds the key; "" for none.
    concurrency: most requests in flight, each on a connection of its own.
    timeout: of one try of a request, s.
    retries: further tries after a 408, 409, 425, 429, 5xx or timeout.
    backoff: wait before the first retry, s; doubles with each, with jitter.
      Retry-After has priority.
    prices: cost of a million prompt and completion tokens; () where unknown.
    budget: cost at which to stop, in the unit of `prices`; 0 for no limit.
      Requests in flight at that moment are still paid.
    max_answer_bytes: largest body of an answer, in bytes; a larger one is not
      read to its end and counts as a failed try.
    extra_body: further fields of each request's JSON, such as
      {"top_k": 1}; they replace ours of the same name.
  """

  base_url: str = ""
  model: str = ""
  api_key_env: str = ""
  concurrency: int = 16
  timeout: float = 120.0
  retries: int = 7
  backoff: float = 0.5
  prices: tuple[float, ...] = ()
  budget: float = 0.0
  max_answer_bytes: int = 1_000_000
  extra_body: dict[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if bool(self.base_url) != bool(self.model):
      raise ValueError(
        "teacher.base_url and teacher.model belong together: set both, or "
        "neither for the model itself"
      )
    fields.check_ranges(
      self,
      "teacher.",
      at_least={
        "concurrency": 1, "retries": 0, "backoff": 0, "budget": 0,
        "max_answer_bytes": 1000,
      },
      above={"timeout": 0},
    )  # fmt: skip
    positive = all(0 <= price < math.inf for price in self.prices)
    if len(self.prices) not in (0, 2) or not positive:
      raise ValueError(
        f"teacher.prices {self.prices} must be two numbers from 0 up, of a "
        "million prompt and completion tokens, or ()"
      )
    if self.budget and not self.prices:
      raise ValueError(
        f"teacher.budget {self.budget} needs teacher.prices: set them"
      )
    self._check_extra_body()
    if self.base_url:  # before it is written to a run's settings
      connection.check_address(self.base_url)
    connection.check_key_name(self.api_key_env)

  def _check_extra_body(self) -> None:
    ours = sorted(set(self.extra_body) & set(_OURS))
    if ours:
      raise ValueError(
        f"teacher.extra_body has {ours}, which the client sets itself: leave "
        "them out"
      )
    try:
      json.dumps(self.extra_body, allow_nan=False)
    except (TypeError, ValueError) as error:
      raise ValueError(
        f"teacher.extra_body is no JSON ({error}): give names with strings, "
        "finite numbers, booleans, lists or dicts"
      ) from error

  @property
  def variant(self) -> str:
    """What of the settings shapes answers, beside the model; "" for nothing."""
    if not self.extra_body:
      return ""
    return json.dumps(self.extra_body, sort_keys=True)

  def divided(self, processes: int) -> "TeacherConfig":
    """The settings of each of several processes that ask one server together.

    Each has a slot at least, so that more processes than slots ask at once.
    """
    return dataclasses.replace(
      self,
      concurrency=max(1, self.concurrency // processes),
      budget=self.budget / processes,
    )

  def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
    """The cost of some tokens, in the unit of `prices`; 0 where unknown."""
    if not self.prices:
      return 0.0
    read, written = self.prices
    return (prompt_tokens * read + completion_tokens * written) / 1e6

  def check_environment(self) -> None:
    """Raises ValueError where key or proxy variables cannot be used."""
    if self.base_url:
      connection.read_key(self.api_key_env)
      connection.Connections(connection.check_address(self.base_url))
