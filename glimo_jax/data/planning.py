"""Plan the rows of a dataset: which tasks, about which moments, once each."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from glimo_jax.agent import skills, weighing
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills import Seed
from glimo_jax.agent.tools import Asked, Tools
from glimo_jax.types import Experience

_LONGEST_PLAN = 32  # moves; longer ways are not planned
_DRAWS = 3  # questions of a kind that a moment offers to choose from


@dataclasses.dataclass(frozen=True)
class Planned:
  """One row to be: a task and the answers that the tools hold for right.

  Attributes:
    seed: the task.
    answers: all right answers by the label source; () where it found none.
    weights: of each answer, the best first; they sum to 1.
  """

  seed: Seed
  answers: tuple[str, ...]
  weights: tuple[float, ...]

  @property
  def best(self) -> tuple[str, ...]:
    """The answers that none outweighs."""
    pairs = zip(self.answers, self.weights, strict=True)
    return tuple(a for a, w in pairs if w == self.weights[0])


class Plan:
  """Rows planned so far; a row that is there already is not planned again.

  Attributes:
    rows: in order of planning.
    duplicates: rows left out.
  """

  def __init__(self):
    self.rows: list[Planned] = []
    self.duplicates = 0
    self._known: set[tuple] = set()

  def add(self, planned: Planned) -> bool:
    """Whether the row is new, by its messages and answers, and was added."""
    said = tuple(m["content"] for m in planned.seed.prompt)
    name = (said, planned.answers)
    if name in self._known:
      self.duplicates += 1
      return False
    self._known.add(name)
    self.rows.append(planned)
    return True


def questions(
  plan: Plan,
  tools: Tools,
  experiences: Sequence[Experience],
  count: int,
  seed: int,
  per_moment: int = 1,
  kinds: Sequence[str] = (),
  examined: LanguageModel | None = None,
) -> None:
  """Plans up to `count` questions, the kinds as even as the moments allow.

  Moments are taken until they give `per_moment` questions each, on average;
  each gives one before any gives a second, of the kind that is rarest so far
  and among those of the rarest answer. If `kinds` are named, only these; if a
  model is `examined`, only what it answers wrongly.
  """
  order = _order(experiences, seed)
  tally: Counter[str] = Counter()
  answers: Counter[tuple[str, str]] = Counter()
  while order and tally.total() < count:
    needed = -(-(count - tally.total()) // per_moment)
    moments, order = order[:needed], order[needed:]
    left = _offers(tools, moments, seed, kinds)
    if examined is not None:
      left = _missed(tools, moments, left, examined)
    while tally.total() < count and any(left):
      for moment, asked in zip(moments, left, strict=True):
        if not asked or tally.total() >= count:
          continue
        rarest = min(asked, key=lambda a: _told(a, tally, answers))
        asked.remove(rarest)
        row = skills.question(tools, moment, rarest)
        if plan.add(Planned(row, (rarest.question.answer,), (1.0,))):
          tally[rarest.question.kind] += 1
          answers[rarest.question.kind, rarest.question.answer] += 1


def _offers(
  tools: Tools, moments: Sequence[Experience], seed: int, kinds: Sequence[str]
) -> list[list[Asked]]:
  """What each moment can be asked, no question twice."""
  draws = [tools.ask(moments, seed + d * 1_000_003) for d in range(_DRAWS)]
  return [
    list(
      {
        (a.question.kind, a.question.args): a
        for a in chain(*asked)
        if not kinds or a.question.kind in kinds
      }.values()
    )
    for asked in zip(*draws, strict=True)
  ]


def _missed(
  tools: Tools,
  moments: Sequence[Experience],
  offers: Sequence[list[Asked]],
  lm: LanguageModel,
) -> list[list[Asked]]:
  """Those of the questions whose likeliest choice is not the answer."""
  asked = [(i, a) for i, some in enumerate(offers) for a in some]
  if not asked:
    return list(offers)
  seeds = [skills.question(tools, moments[i], a) for i, a in asked]
  scores = lm.loglik([s.prompt for s in seeds], [s.choices for s in seeds])
  out: list[list[Asked]] = [[] for _ in moments]
  for (i, a), score in zip(asked, scores, strict=True):
    if a.question.choices[int(np.argmax(score))] != a.question.answer:
      out[i].append(a)
  return out


def next_actions(
  plan: Plan,
  tools: Tools,
  experiences: Sequence[Experience],
  count: int,
  seed: int,
  regret_scale: float = 0.0,
) -> None:
  """Plans up to `count` next actions with a right answer; others on the way.

  The right answers are all actions of least cost and, where there is a scale,
  those that are hardly worse, weighed by their regret: `weighing.weigh`.
  """
  order = _order(experiences, seed)
  found = 0
  for at in range(0, len(order), max(1, count)):
    moments = order[at : at + count]
    for moment, cost in zip(moments, tools.measure(moments), strict=True):
      if found >= count:
        return
      weights = weighing.weigh(cost, regret_scale)
      words = tuple(tools.world.actions[a] for a in weights)
      row = skills.next_action(tools, moment)
      new = plan.add(Planned(row, words, tuple(weights.values())))
      found += new and bool(words)


def plans(
  plan: Plan,
  tools: Tools,
  experiences: Sequence[Experience],
  count: int,
  seed: int,
) -> None:
  """Plans up to `count` whole ways to the goal, by steps of least cost."""
  chosen = _order(experiences, seed)[:count]
  moves: list[tuple[int, ...]] = [() for _ in chosen]
  going = list(range(len(chosen)))
  arrived: set[int] = set()
  for _ in range(_LONGEST_PLAN):
    here = [_after(chosen[i], moves[i]) for i in going]
    costs = tools.measure(here)
    best = {
      i: weighing.best_actions(c)[:1] for i, c in zip(going, costs, strict=True)
    }
    going = [i for i in going if best[i]]  # elsewhere no way is known
    if not going:
      break
    for i in going:
      moves[i] += best[i]
    after = tools.simulate([_after(chosen[i], moves[i]) for i in going])
    arrived |= {i for i, ok in zip(going, after.success, strict=True) if ok}
    going = [i for i in going if i not in arrived]
  for i, moment in enumerate(chosen):
    words = " ".join(tools.world.actions[a] for a in moves[i])
    answers = (words,) if i in arrived else ()
    weights = (1.0,) * len(answers)
    plan.add(Planned(skills.plan(tools, moment), answers, weights))


def _order(experiences: Sequence[Experience], seed: int) -> list[Experience]:
  """The moments by lot: one order for all tasks, so that they meet."""
  rng = np.random.default_rng([seed, 1])
  return [experiences[i] for i in rng.permutation(len(experiences))]


def _told(asked, tally, answers) -> tuple[int, int]:
  """How often this kind, and this answer to it, are planned already."""
  q = asked.question
  return tally[q.kind], answers[q.kind, q.answer]


def _after(moment: Experience, moves: tuple[int, ...]) -> Experience:
  return dataclasses.replace(moment, actions=(*moment.actions, *moves))
