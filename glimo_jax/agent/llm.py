"""Language models with one protocol: batches of requests and completions.

`LocalLM` runs our own decoder, `ScriptedLM` answers from a script in tests, and
`served.ServedLM` sends requests to a serving engine over HTTP.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from glimo_jax.types import Message

ERROR_CLASSES = ("retry", "resample", "reject", "abort")


@dataclasses.dataclass(frozen=True)
class Request:
  """One prompt with its sampling parameters.

  Attributes:
    messages: turns, ending before the answer.
    choices: closed set of answers; empty for free text.
    max_tokens: most tokens of a free answer.
    temperature: 0 for the most likely answer.
    top_p: share of probability kept when sampling.
    stop: strings that end a free answer.
    seed: of the sampling.
    schema: JSON schema that a free answer must satisfy, where served.
  """

  messages: tuple[Message, ...]
  choices: tuple[str, ...] = ()
  max_tokens: int = 16
  temperature: float = 0.0
  top_p: float = 1.0
  stop: tuple[str, ...] = ()
  seed: int = 0
  schema: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Completion:
  """The answer to one request.

  Attributes:
    text: the answer; "" on an error.
    finish_reason: stop, length (truncated) or error.
    prompt_tokens: tokens read.
    completion_tokens: tokens written.
    model: name of the model that answered.
    logprobs: log p of each of the request's choices, where known, in nats.
    error: the error message; None without error.
    error_class: one of ERROR_CLASSES; None without error. `retry`: it failed
      after all retries; `resample`: another sample may succeed; `reject`: this
      request can never be answered.
  """

  text: str
  finish_reason: str
  prompt_tokens: int
  completion_tokens: int
  model: str
  logprobs: tuple[float, ...] | None = None
  error: str | None = None
  error_class: str | None = None


class LanguageModel(Protocol):
  """Anything that completes prompts in batches."""

  name: str

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    ...

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """f32[c] for each prompt: log p of each of its continuations, in nats."""
    ...


# Completions that arrived together, each with the number of its request.
Answers = list[tuple[int, Completion]]


class TeacherError(RuntimeError):
  """A language model cannot serve this run; the message names the fix."""


@runtime_checkable
class Streams(Protocol):
  """A language model that answers each request as soon as it can."""

  def stream(self, requests: deque[Request]) -> Iterator[Answers]:
    """Yields completions as they arrive, in any order.

    Args:
      requests: taken from the left, and numbered from 0 as they are taken; more
        may be appended while answers arrive.

    Raises:
      TeacherError: nothing more can be asked; what is answered was yielded.
    """
    ...


def stream(
  lm: LanguageModel, requests: deque[Request], batch: int = 64
) -> Iterator[Answers]:
  """As `Streams.stream`; a model that cannot stream takes whole batches.

  Args:
    lm: answers the requests.
    requests: as there.
    batch: requests of a batch, where `lm` does not stream.
  """
  if isinstance(lm, Streams):
    yield from lm.stream(requests)
    return
  number = 0
  while requests:
    for at in range(0, waiting := len(requests), batch):
      taken = [requests.popleft() for _ in range(min(batch, waiting - at))]
      numbers = range(number, number + len(taken))
      number += len(taken)
      yield list(zip(numbers, lm.generate(taken), strict=True))


def answered(completion: Completion) -> bool:
  """Whether the model has answered, however badly; else it may be asked again.

  A server's faults are no answers.
  """
  if completion.error_class == "resample":
    return bool(completion.text.strip())
  return completion.error_class is None


def truncated(completion: Completion) -> bool:
  """Whether the answer was cut at max_tokens."""
  return completion.finish_reason == "length"


class LocalLM:
  """Our own decoder, through `models.sampler.Sampler`.

  Requests with choices are scored, not generated: at temperature 0 the most
  likely choice is the answer, else one is sampled with the request's seed.

  Args:
    sampler: scores closed sets and generates text.
    name: name of the teacher in the rows that it writes.
  """

  def __init__(self, sampler: Any, name: str):
    self.sampler = sampler
    self.name = name

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    out: dict[int, Completion] = {}
    scored = [i for i, r in enumerate(requests) if r.choices]
    if scored:
      scores = self.loglik(
        [requests[i].messages for i in scored],
        [requests[i].choices for i in scored],
      )
      for i, logprobs in zip(scored, scores, strict=True):
        out[i] = self._choose(requests[i], np.asarray(logprobs, np.float64))
    groups: dict[tuple, list[int]] = {}
    for i, r in enumerate(requests):
      if not r.choices:
        sampling = (r.max_tokens, r.temperature, r.top_p, r.stop)
        groups.setdefault(sampling, []).append(i)
    for (max_tokens, temperature, top_p, stop), rows in groups.items():
      texts = self.sampler.generate(
        [requests[i].messages for i in rows],
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        stop=stop,
        seeds=[requests[i].seed for i in rows],
      )
      for i, (text, reason, tokens) in zip(rows, texts, strict=True):
        out[i] = Completion(
          text, reason, self._prompt_tokens(requests[i]), tokens, self.name
        )
    return [out[i] for i in range(len(requests))]

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """f32[c] for each prompt: log p of each of its continuations, in nats."""
    return self.sampler.score(list(prompts), list(continuations))

  def _choose(self, request: Request, logprobs: np.ndarray) -> Completion:
    chosen = int(np.argmax(logprobs))
    if request.temperature > 0:
      logits = logprobs / request.temperature
      probs = np.exp(logits - logits.max())
      draw = np.random.default_rng(request.seed)
      chosen = int(draw.choice(len(probs), p=probs / probs.sum()))
    return Completion(
      request.choices[chosen],
      "stop",
      self._prompt_tokens(request),
      1,
      self.name,
      logprobs=tuple(float(x) for x in logprobs),
    )

  def _prompt_tokens(self, request: Request) -> int:
    ids, _ = self.sampler.tokenizer.render_chat(
      request.messages, generation_prompt=True
    )
    return len(ids)


class ScriptedLM:
  """Answers from a script: for tests and for trying the plumbing.

  Args:
    answers: request -> text or Completion; or a dict from the last user
      turn's content to text.
    name: name of the teacher in the rows that it writes.

  Attributes:
    requests: all requests so far, in order.
  """

  def __init__(
    self,
    answers: Callable[[Request], str | Completion] | dict[str, str],
    name: str = "scripted",
  ):
    self.answers = answers
    self.name = name
    self.requests: list[Request] = []

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    return [self._answer(request) for request in requests]

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """All of a prompt's continuations are equally likely."""
    del prompts
    return [np.full(len(c), -np.log(len(c)), np.float32) for c in continuations]

  def _answer(self, request: Request) -> Completion:
    self.requests.append(request)
    if isinstance(self.answers, dict):
      last = request.messages[-1]["content"]
      if last not in self.answers:
        raise ValueError(
          f"the script has no answer to {last!r}: it knows "
          f"{sorted(self.answers)}; add the prompt to it"
        )
      answer = self.answers[last]
    else:
      answer = self.answers(request)
    if isinstance(answer, Completion):
      return answer
    words = sum(len(m["content"].split()) for m in request.messages)
    return Completion(answer, "stop", words, len(answer.split()), self.name)
