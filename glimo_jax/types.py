"""The nouns that the stages hand to each other."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import flax.struct
import jax
import numpy as np

from simulators import base

Array = jax.Array
AnyArray = jax.Array | np.ndarray  # on a device, or still on the host
PyTree = Any
Message = dict[str, str]  # {"role": system | user | assistant, "content": ...}

BRANCHES = 256  # segment ids of one trunk and its branches, see `Batch`
KL_TERMS = ("task", "text", "chat")  # what the KL is paid on, see `Batch`
SPLITS = ("train", "val")  # of a dataset, each an attribute
VERDICTS = ("verified", "refuted", "unverifiable", "invalid", "failed")

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Experience:
  """One decision point of a played episode, reproducible by replay.

  Attributes:
    world: name for `simulators.make`.
    variant: name for `world.params`, the rules it was played under.
    split: level pool the level comes from.
    level: index in that pool.
    level_hash: canonical hash of the level, in hex.
    depth: chain depth (or family) of the level.
    seed: seed of the episode's PRNG key.
    actions: action indices from reset to this moment.
    actor: who chose them: oracle, random, mixed, agent or policy.
    description: the world's words for this moment.
    instruction: what is to be achieved.
    next_action: the action the actor then took, -1 at the end.
    next_description: the world's words after it, "" at the end.
    success: whether the episode reached its goal.
    surprise: -log p under the target model, in nats, of `next_action`; of the
      actions that are right where the model itself played.
    visits: times this description has occurred in the collection.
  """

  world: str
  variant: str
  split: str
  level: int
  level_hash: str
  depth: int
  seed: int
  actions: tuple[int, ...]
  actor: str
  description: str
  instruction: str
  next_action: int
  next_description: str
  success: bool
  surprise: float = 0.0
  visits: int = 1

  @property
  def episode(self) -> str:
    """Name of the episode: equal for all its moments."""
    return f"{self.world}/{self.variant}/{self.split}/{self.level}/{self.seed}"


@dataclasses.dataclass(frozen=True)
class InstructionExample:
  """One verified row of the instruction dataset, with its provenance.

  Attributes:
    row_id: hash of the row's content and provenance, in hex.
    kind: question kind, or `next_action`, `full_plan`, `predict`, `explain`,
      `repair`, `reflect`, `composed`.
    stage: 1 understanding, 2 acting.
    messages: system and user turns, ending before the answer.
    answers: acceptable answers, the best first; several where several are
      optimal, or hardly worse.
    weights: target probability of each answer; sums to 1.
    choices: the closed set offered, empty for free text.
    source: `llm` or `tool`.
    label_source: oracle, search, agent or self.
    verdict: always `verified` in a dataset; other rows are only counted.
    checked_by: how: `replay` (simulator) or `reference` (second path) or both.
    attempts: drafts the teacher needed, 0 for tool rows.
    rationale: the things that decide the answer, or that the best way leads
      to, the next one first; the assistant says what the prompt tells of each
      before the answer. () for no rationale.
    ending: sentences that the rationale ends with, such as what each move
      leads to.
    world, variant, split, level, level_hash, depth, seed, actions: where the
      state was, as in Experience.
    episode: episode name; splits keep episodes whole.
    teacher: model that wrote the row, or the tool.
    prompt_hash: hash of the teacher's last request.
    prompt_version: version of `agent.prompts`.
    memories: ids of the memories that the prompt held.
    question: the question's text, "" for acting rows.
    args: the question's arguments for replay.
  """

  row_id: str
  kind: str
  stage: int
  messages: tuple[Message, ...]
  answers: tuple[str, ...]
  weights: tuple[float, ...]
  choices: tuple[str, ...]
  source: str
  label_source: str
  verdict: str
  checked_by: str
  attempts: int
  rationale: tuple[str, ...]
  ending: tuple[str, ...]
  world: str
  variant: str
  split: str
  level: int
  level_hash: str
  depth: int
  seed: int
  actions: tuple[int, ...]
  episode: str
  teacher: str
  prompt_hash: str
  prompt_version: str
  memories: tuple[str, ...]
  question: str
  args: tuple[int, ...]

  @property
  def completions(self) -> tuple[str, ...]:
    """The assistant's turn with each answer."""
    said = self.said
    return tuple(base.with_rationale(said, a) for a in self.answers)

  @property
  def said(self) -> str:
    """The sentences of the rationale, without the last stop; "" for none."""
    rules, text = self.messages[0]["content"], self.messages[-1]["content"]
    return base.rationale(rules, text, self.rationale, self.ending)


@dataclasses.dataclass(frozen=True)
class InstructionDataset:
  """Verified rows and what became of every planned one.

  Attributes:
    train: rows to learn from.
    val: rows of other episodes, to look at.
    counts: {"planned": n, each verdict: n, "by_source": {source: {...}}}.
  """

  train: Sequence[InstructionExample]
  val: Sequence[InstructionExample]
  counts: dict[str, Any]


class Batch(flax.struct.PyTreeNode):
  """Packed token rows and the positions they are scored on.

  Segments form a tree of three levels: segment 0 is the prefix that all of a
  row go on from, segment 256 t a trunk after it, segment 256 t + b a branch
  of that trunk (of the prefix itself where t is 0). A token sees its own
  segment and those that it goes on from, causally; segment -1 is padding.

  Attributes:
    tokens: i32[B, T].
    positions: i32[B, T], rotary positions; each segment starts where the
      one that it goes on from ends.
    segment_ids: i32[B, T].
    scored: i32[B, L], columns whose next-token distribution is scored.
    target_ids: i32[B, L, S], possible next tokens; any id where weight is 0.
    target_probs: f32[B, L, S], their probabilities, summing to 1.
    ce_weight: f32[B, L], weight in the cross-entropy.
    kl_weight: f32[B, L], weight in the KL to the reference.
    row_ids: i32[B, R], indices of the examples in each row; -1 pads.
    activations: f32[B, T, D], output of the layers below the adapter's first
      layer, from the activation cache; None: the step computes it.
    kl_term: i32[B], index of KL_TERMS, the same for all rows: replay text or
      chats; None for task rows.
  """

  tokens: AnyArray
  positions: AnyArray
  segment_ids: AnyArray
  scored: AnyArray
  target_ids: AnyArray
  target_probs: AnyArray
  ce_weight: AnyArray
  kl_weight: AnyArray
  row_ids: AnyArray
  activations: AnyArray | None = None
  kl_term: AnyArray | None = None


class BatchIterator(Protocol):
  """Endless batches whose position can be saved.

  One step's data is a tuple of batches of unlike shapes (the task's rows, the
  replay text): the loss adds numerators and normalisers over the tuple.
  """

  def __next__(self) -> tuple[Batch, ...]: ...

  def get_state(self) -> dict[str, Any]:
    """A JSON-able position."""
    ...

  def set_state(self, state: dict[str, Any]) -> None: ...


class InShares(Protocol):
  """Does work in pieces: `alone`, or `mesh.Shares` of several processes."""

  def __call__(
    self,
    work: Callable[[int], T],
    count: int,
    read: Callable[[Any], T] = ...,
  ) -> Iterable[T]:
    """The results work(0), ..., work(count - 1).

    Args:
      work: does one piece, without sharing out any work itself.
      count: number of pieces.
      read: makes a result from its JSON, which has objects for dataclasses and
        lists for tuples and arrays; not called where there is one process.
    """
    ...


def alone(
  work: Callable[[int], T],
  count: int,
  read: Callable[[Any], T] | None = None,
) -> Iterable[T]:
  """The results of all pieces, done by this process; see `InShares`."""
  del read
  return map(work, range(count))


class TrainState(flax.struct.PyTreeNode):
  """All that a step changes.

  Attributes:
    step: i32[], optimizer steps taken.
    adapter: the LoRA pytree, float32.
    opt_state: optax state of the adapter.
    key: PRNG key of the run.
    multipliers: f32[terms], by which budgets raise `kl_coef` of KL_TERMS.
  """

  step: Array
  adapter: PyTree
  opt_state: PyTree
  key: Array
  multipliers: Array


@dataclasses.dataclass(frozen=True)
class EvalReport:
  """What report.json holds; see docs in `evaluate/report/report.py`.

  Attributes:
    benchmarks: benchmark -> arm -> measure -> {"mean", "lo", "hi", "n"}.
    language: text -> arm -> {"bits_per_byte": ...}.
    comparisons: paired differences between arms, with intervals.
    dataset: counts by verdict and source.
    run: wall_s, peak_gib, versions, commit, seeds.
    retention: measure -> arm -> {"mean", "lo", "hi", "n"}; see
      `evaluate/retention`.
  """

  benchmarks: dict[str, Any]
  language: dict[str, Any]
  comparisons: dict[str, Any]
  dataset: dict[str, Any]
  run: dict[str, Any]
  retention: dict[str, Any] = dataclasses.field(default_factory=dict)
