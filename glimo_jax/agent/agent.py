"""The agent: draft, verify by replay, refine with the refutation, remember.

What was refuted is offered no more: a closed set shrinks with every draft.

All seeds go through each wave together: one call of the language model and
one batch of the verifier a wave. A model's opinion of itself admits nothing.
"""

import dataclasses
from collections.abc import Callable, Sequence

from glimo_jax.agent import prompts, skills
from glimo_jax.agent.llm import Completion, LanguageModel, Request, truncated
from glimo_jax.agent.memory import Memory, Row
from glimo_jax.agent.skills import Seed
from glimo_jax.agent.tools import Tools

_STEP = 100_003  # between the sampling seeds of two tries of one request
_SLICE = 64  # requests asked between two reports of progress

Progress = Callable[[int, int], None]  # (drafts done, drafts at most)


@dataclasses.dataclass(frozen=True)
class AgentConfig:
  """How the agent works.

  Attributes:
    refinements: further drafts after a refuted one.
    memories: verified memories shown in each refinement.
    temperature: of refinements and second samples; first drafts take 0.
    top_p: share of probability kept when sampling.
    seed: of the sampling.
  """

  refinements: int = 1
  memories: int = 1
  temperature: float = 0.7
  top_p: float = 1.0
  seed: int = 0


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What became of a seed.

  Attributes:
    seed: the task.
    verdict: one of types.VERDICTS.
    answer: the last draft, "" if there was none to read.
    attempts: drafts asked for.
    prompt_hash: hash of the last request's prompt.
    memories: ids of the memories in the last request.
    rationale: the model's reason, where one was asked for.
    refutations: what the verifier said of earlier drafts.
  """

  seed: Seed
  verdict: str
  answer: str = ""
  attempts: int = 0
  prompt_hash: str = ""
  memories: tuple[str, ...] = ()
  rationale: str = ""
  refutations: tuple[str, ...] = ()


@dataclasses.dataclass
class _Draft:
  """A seed on its way through the waves."""

  seed: Seed
  outcome: Outcome
  open: bool = True
  memories: tuple[Row, ...] = ()
  wrong: tuple[str, ...] = ()  # answers refuted so far


class Agent:
  """A language model with tools and a memory.

  Args:
    lm: drafts answers.
    tools: replays and verifies them.
    memory: of verified answers, read when refining; None for none.
    config: see AgentConfig.

  Attributes:
    usage: requests, prompt and completion tokens, retrievals (memories put
      into prompts) and prompts_with_memories so far.
  """

  def __init__(
    self,
    lm: LanguageModel,
    tools: Tools,
    memory: Memory | None = None,
    config: AgentConfig | None = None,
  ):
    self.lm, self.tools, self.memory = lm, tools, memory
    self.config = config or AgentConfig()
    self.usage = dict.fromkeys(
      ("requests", "prompt_tokens", "completion_tokens", "retrievals",
       "prompts_with_memories"), 0
    )  # fmt: skip

  def run(
    self,
    seeds: Sequence[Seed],
    progress: Progress | None = None,
  ) -> list[Outcome]:
    """One outcome for each seed, in order.

    Args:
      seeds: the tasks.
      progress: called with (drafts done, drafts at most): a seed that is
        settled early counts with all the drafts it might have taken.
    """
    report = progress or (lambda done, of: None)
    waves = 1 + self.config.refinements
    total = waves * len(seeds)
    drafts = [_Draft(s, Outcome(s, "refuted")) for s in seeds]
    known = self.tools.known([s.experience for s in seeds])
    for draft, is_known in zip(drafts, known, strict=True):
      if not is_known:
        self._settle(draft, "unverifiable")
    for wave in range(waves):
      pending = [d for d in drafts if d.open]
      if not pending:
        break
      if wave:
        self._recall(pending)
      before = total - (waves - wave) * len(pending)
      self._verify(
        self._draft(pending, wave, lambda n, at=before: report(at + n, total))
      )
    report(total, total)
    return [d.outcome for d in drafts]

  def _draft(
    self, pending: list[_Draft], wave: int, told: Callable[[int], None]
  ) -> list[_Draft]:
    """Asks for a draft of each; returns those that have one to verify."""
    requests = [
      self._request(d, wave * 1_000_003 + i) for i, d in enumerate(pending)
    ]
    completions = self._ask(requests, told)
    again = [
      i
      for i, c in enumerate(completions)
      if self._unusable(pending[i], c) == "invalid"
    ]
    if again:  # an unreadable answer is sampled once more
      second = [
        dataclasses.replace(
          requests[i],
          seed=requests[i].seed + _STEP,
          temperature=max(requests[i].temperature, self.config.temperature),
        )
        for i in again
      ]
      for i, completion in zip(again, self._ask(second), strict=True):
        completions[i] = completion
    ready = []
    for draft, request, completion in zip(
      pending, requests, completions, strict=True
    ):
      draft.outcome = dataclasses.replace(
        draft.outcome,
        answer=skills.read(self.tools, draft.seed, completion.text) or "",
        attempts=draft.outcome.attempts + 1,
        prompt_hash=prompts.prompt_hash(request.messages),
        memories=tuple(row.id for row in draft.memories),
      )
      trouble = self._unusable(draft, completion)
      if trouble:
        self._settle(draft, trouble)
      else:
        ready.append(draft)
    return ready

  def _verify(self, ready: list[_Draft]) -> None:
    """Replays the drafts; keeps the verified, hands back the refutations."""
    checks = skills.verify(
      self.tools,
      [d.seed for d in ready],
      [d.outcome.answer for d in ready],
    )
    for draft, check in zip(ready, checks, strict=True):
      if check.verdict == "refuted":
        draft.wrong += (draft.outcome.answer,)
        said = (*draft.outcome.refutations, check.refutation)
        draft.outcome = dataclasses.replace(draft.outcome, refutations=said)
      else:
        self._settle(draft, check.verdict)
    if self.memory is not None:
      start = len(self.memory)
      rows = [
        _remembered(d, start + i)
        for i, d in enumerate(ready)
        if d.outcome.verdict == "verified"
      ]
      self.memory.add(rows)

  def _recall(self, pending: list[_Draft]) -> None:
    """Gives each draft memories of moments like its own, other episodes'."""
    if self.memory is None or not self.config.memories:
      return
    found = self.memory.search(
      [d.seed.prompt[-1]["content"] for d in pending],
      self.config.memories,
      [d.seed.experience.episode for d in pending],
    )
    for draft, rows in zip(pending, found, strict=True):
      draft.memories = tuple(rows)
      self.usage["retrievals"] += len(rows)
      self.usage["prompts_with_memories"] += bool(rows)

  def _request(self, draft: _Draft, number: int) -> Request:
    prompt, temperature = draft.seed.prompt, 0.0
    left = tuple(c for c in draft.seed.choices if c not in draft.wrong)
    if draft.outcome.refutations:
      temperature = self.config.temperature
      prompt = prompts.refine(
        prompt,
        draft.outcome.refutations,
        tuple((row.text, row.answer) for row in draft.memories),
      )
    return Request(
      prompt,
      choices=left or draft.seed.choices,
      max_tokens=draft.seed.max_tokens,
      temperature=temperature,
      top_p=self.config.top_p,
      seed=(self.config.seed * 7919 + number) % 2**31,
    )

  def _ask(
    self,
    requests: list[Request],
    told: Callable[[int], None] = lambda n: None,
  ) -> list[Completion]:
    """One completion for each; those with the same rules go out together."""
    order = sorted(
      range(len(requests)), key=lambda i: requests[i].messages[0]["content"]
    )
    out: dict[int, Completion] = {}
    for at in range(0, len(order), _SLICE):
      rows = order[at : at + _SLICE]
      completions = self.lm.generate([requests[i] for i in rows])
      out.update(zip(rows, completions, strict=True))
      told(len(out))
    self.usage["requests"] += len(requests)
    for c in out.values():
      self.usage["prompt_tokens"] += c.prompt_tokens
      self.usage["completion_tokens"] += c.completion_tokens
    return [out[i] for i in range(len(requests))]

  def _unusable(self, draft: _Draft, completion: Completion) -> str:
    """The verdict on a completion that holds no answer, "" if it does."""
    if completion.error_class == "resample" or truncated(completion):
      return "invalid"
    if completion.error is not None:
      return "failed"
    answer = skills.read(self.tools, draft.seed, completion.text)
    return "invalid" if answer is None else ""

  @staticmethod
  def _settle(draft: _Draft, verdict: str) -> None:
    draft.open = False
    draft.outcome = dataclasses.replace(draft.outcome, verdict=verdict)


def _remembered(draft: _Draft, time: int) -> Row:
  """A verified draft as a memory: what surprised counts for more."""
  e, text = draft.seed.experience, draft.seed.prompt[-1]["content"]
  content = f"{text} {draft.outcome.answer} {e.episode}"
  return Row(
    id=prompts.text_hash(content),
    text=text,
    answer=draft.outcome.answer,
    episode=e.episode,
    split=e.split,
    importance=e.surprise,
    time=time,
  )
