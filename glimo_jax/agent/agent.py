"""The agent: draft, verify by replay, refine with the refutation, remember.

A refuted choice is not offered again, so a closed set shrinks with each draft.
All tasks go through each round of drafts together, because a refinement shows
what the rounds before it have put into memory: so the dataset depends on no
answer's time. Within a round, drafts are verified while others are in flight.
No judgement of a language model admits a row.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence

from glimo_jax.agent import llm, prompts, skills
from glimo_jax.agent.llm import Completion, LanguageModel, Request, truncated
from glimo_jax.agent.memory import Memory, MemoryRecord
from glimo_jax.agent.skills import Task
from glimo_jax.agent.tools import Tools

_STEP = 100_003  # between the sampling seeds of two tries of one request
_BATCH = 128  # drafts verified together: a chunk of `Tools`

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
    forms: whether prompts end with the form of the answer (`Task.form`).
  """

  refinements: int = 1
  memories: int = 1
  temperature: float = 0.7
  top_p: float = 1.0
  seed: int = 0
  forms: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
  """The result of one task.

  Attributes:
    task: the task.
    verdict: one of types.VERDICTS.
    answer: the last draft, "" if none could be read.
    attempts: drafts asked for.
    prompt_hash: hash of the last request's prompt.
    memories: ids of the memories in the last request.
    refutations: the verifier's refutations of earlier drafts.
    wrong: the answers that they refute.
    unanswered: why no answer came to the last request, where a later run may
      get one; else "".
  """

  task: Task
  verdict: str
  answer: str = ""
  attempts: int = 0
  prompt_hash: str = ""
  memories: tuple[str, ...] = ()
  refutations: tuple[str, ...] = ()
  wrong: tuple[str, ...] = ()
  unanswered: str = ""


@dataclasses.dataclass
class _Draft:
  """A task on its way through the rounds of drafts."""

  task: Task
  outcome: Outcome
  open: bool = True
  memories: tuple[MemoryRecord, ...] = ()


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
    self.usage: dict[str, int] = dict.fromkeys(
      ("requests", "prompt_tokens", "completion_tokens", "retrievals",
       "prompts_with_memories"), 0
    )  # fmt: skip

  def run(
    self, tasks: Sequence[Task], progress: Progress | None = None
  ) -> list[Outcome]:
    """One outcome for each task, in order.

    Args:
      tasks: the tasks.
      progress: called with (drafts done, drafts at most); a task that is
        settled early counts with all the drafts it could have taken.
    """
    report = progress or (lambda done, of: None)
    waves = 1 + self.config.refinements
    total = waves * len(tasks)
    drafts = [_Draft(task, Outcome(task, "refuted")) for task in tasks]
    known = self.tools.known([task.experience for task in tasks])
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
      self._round(pending, wave, lambda n, at=before: report(at + n, total))
    report(total, total)
    return [d.outcome for d in drafts]

  def _round(
    self, pending: list[_Draft], wave: int, progress: Callable[[int], None]
  ) -> None:
    """Asks for a draft of each task; settles it or notes its refutation.

    Requests with the same rules go together: they share a prefix. An unreadable
    answer is sampled once more.
    """
    order = sorted(
      range(len(pending)), key=lambda i: pending[i].task.prompt[0]["content"]
    )
    asked = [
      (pending[i], self._request(pending[i], wave * 1_000_003 + i))
      for i in order
    ]
    requests = deque(request for _, request in asked)
    done, ready = 0, []
    for answers in llm.stream(self.lm, requests):
      for number, completion in answers:
        draft, request = asked[number]
        self._count(completion)
        verdict = self._unusable(draft, completion)
        if verdict == "invalid" and number < len(pending):
          asked.append((draft, self._once_more(request)))
          requests.append(asked[-1][1])
          continue
        done += 1
        self._note(draft, request, completion)
        if verdict:
          self._settle(draft, verdict)
        else:
          ready.append(draft)
      progress(done)
      if len(ready) >= _BATCH:
        self._verify(ready)
        ready = []
    self._verify(ready)
    self._remember(pending)

  def _note(
    self, draft: _Draft, request: Request, completion: Completion
  ) -> None:
    """Notes what was asked and answered."""
    again = completion.error_class == "retry"
    draft.outcome = dataclasses.replace(
      draft.outcome,
      answer=self._read(draft, completion) or "",
      attempts=draft.outcome.attempts + 1,
      prompt_hash=prompts.prompt_hash(request.messages),
      memories=tuple(row.id for row in draft.memories),
      unanswered=(completion.error or "no answer") if again else "",
    )

  def _verify(self, ready: list[_Draft]) -> None:
    """Replays the drafts; settles them or notes their refutations."""
    tasks, answers = [d.task for d in ready], [d.outcome.answer for d in ready]
    checks = skills.verify(self.tools, tasks, answers)
    for draft, check in zip(ready, checks, strict=True):
      if check.verdict == "refuted":
        draft.outcome = dataclasses.replace(
          draft.outcome,
          refutations=(*draft.outcome.refutations, check.refutation),
          wrong=(*draft.outcome.wrong, draft.outcome.answer),
        )
      else:
        self._settle(draft, check.verdict)

  def _remember(self, drafts: list[_Draft]) -> None:
    """Puts what a round has verified into memory, in the order of the tasks."""
    if self.memory is None:
      return
    verified = [d for d in drafts if d.outcome.verdict == "verified"]
    start = len(self.memory)
    records = [_memory_record(d, start + i) for i, d in enumerate(verified)]
    self.memory.add(records)

  def _recall(self, pending: list[_Draft]) -> None:
    """Gives each draft memories of similar moments of other episodes."""
    if self.memory is None or not self.config.memories:
      return
    tasks = [draft.task for draft in pending]
    found = self.memory.search(
      [task.prompt[-1]["content"] for task in tasks],
      self.config.memories,
      [task.experience.episode for task in tasks],
      [lambda q, row: tasks[q].skill.recalls in ("", row.kind)],
    )
    for draft, rows in zip(pending, found, strict=True):
      draft.memories = tuple(rows)
      self.usage["retrievals"] += len(rows)
      self.usage["prompts_with_memories"] += bool(rows)

  def _request(self, draft: _Draft, number: int) -> Request:
    prompt, temperature = draft.task.prompt, 0.0
    left = tuple(c for c in draft.task.choices if c not in draft.outcome.wrong)
    if draft.outcome.refutations:
      temperature = self.config.temperature
      prompt = prompts.refine(
        prompt,
        draft.outcome.refutations,
        tuple((row.text, row.answer) for row in draft.memories),
      )
    if self.config.forms:
      prompt = prompts.with_form(prompt, draft.task.form)
    return Request(
      prompt,
      choices=left or draft.task.choices,
      max_tokens=draft.task.skill.max_tokens,
      schema=draft.task.schema,
      temperature=temperature,
      top_p=self.config.top_p,
      seed=(self.config.seed * 7919 + number) % 2**31,
    )

  def _once_more(self, request: Request) -> Request:
    """The request for a second sample."""
    return dataclasses.replace(
      request,
      seed=request.seed + _STEP,
      temperature=max(request.temperature, self.config.temperature),
    )

  def _count(self, completion: Completion) -> None:
    self.usage["requests"] += 1
    self.usage["prompt_tokens"] += completion.prompt_tokens
    self.usage["completion_tokens"] += completion.completion_tokens

  def _unusable(self, draft: _Draft, completion: Completion) -> str:
    """The verdict on a completion without an answer; "" if it has one."""
    if completion.error_class == "resample" or truncated(completion):
      return "invalid"
    if completion.error is not None:
      return "failed"
    return "invalid" if self._read(draft, completion) is None else ""

  def _read(self, draft: _Draft, completion: Completion) -> str | None:
    return draft.task.skill.read(self.tools, draft.task, completion.text)

  @staticmethod
  def _settle(draft: _Draft, verdict: str) -> None:
    draft.open = False
    draft.outcome = dataclasses.replace(draft.outcome, verdict=verdict)


def _memory_record(draft: _Draft, time: int) -> MemoryRecord:
  """A verified draft as a memory; surprise is its importance."""
  e, text = draft.task.experience, draft.task.prompt[-1]["content"]
  content = f"{text} {draft.outcome.answer} {e.episode}"
  return MemoryRecord(
    id=prompts.text_hash(content),
    text=text,
    answer=draft.outcome.answer,
    episode=e.episode,
    split=e.split,
    importance=e.surprise,
    time=time,
    kind=draft.task.kind,
  )
