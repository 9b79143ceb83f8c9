"""What is worth learning from: moments that surprise, and that are rare.

Surprise is -log p of what happened, in nats: of the action that was taken
next, in play of a collection; of the actions that are right, in the model's
own play.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from glimo_jax.agent import prompts, weighing
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience

_FLOOR = 0.05  # weight of what does not surprise at all


def of_actions(
  lm: LanguageModel | None,
  actions: Sequence[str],
  rules: Mapping[str, str],
  moments: Sequence[Experience],
  count: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """f64[n]: how little the model expected what was done next.

  Args:
    lm: the model that is to learn; None measures none.
    actions: words of the world's actions.
    rules: the words of each variant.
    moments: n of them.
    count: moments drawn to be measured; the others count as their mean, and
      all as 0 where none is.
    rng: draws them.
  """
  n = len(moments)
  count = 0 if lm is None else min(n, count)
  if not count:
    return np.zeros(n)
  chosen = np.sort(rng.choice(n, size=count, replace=False))
  asked = [moments[i] for i in chosen]
  scores = lm.loglik(
    [prompts.acting(rules[m.variant], m.description) for m in asked],
    [actions] * count,
  )
  nats = []
  for m, logp in zip(asked, scores, strict=True):
    logp = np.asarray(logp, np.float64)
    nats.append(np.logaddexp.reduce(logp) - logp[m.next_action])
  out = np.full(n, np.mean(nats))
  out[chosen] = nats
  return out


def of_right_actions(
  tools: Tools, moments: Sequence[Experience], logprobs: Sequence[np.ndarray]
) -> np.ndarray:
  """f64[n]: how little the model's `logprobs` f64[A] expected what is right.

  0 where no action is known to be right.
  """
  out = np.zeros(len(moments))
  for i, cost in enumerate(tools.measure(moments)):
    best = list(weighing.best_actions(cost))
    if best:
      out[i] = -np.logaddexp.reduce(logprobs[i][best])
  return out


def choose(
  moments: Sequence[Experience],
  nats: np.ndarray,
  count: int,
  rng: np.random.Generator,
) -> list[Experience]:
  """At most `count` moments, drawn by surprise over the root of visits.

  They keep their order, and are told their surprise `nats`, f64[n], and how
  often their description was met.
  """
  if not moments:
    return []
  visits = Counter(m.description for m in moments)
  spread = float(nats.max() - nats.min()) or 1.0
  weight = (nats - nats.min()) / spread + _FLOOR
  weight /= np.sqrt([visits[m.description] for m in moments])
  # Largest log-weight + Gumbel: drawn without replacement by weight.
  order = np.argsort(-(np.log(weight) + rng.gumbel(size=len(moments))))
  return [
    dataclasses.replace(
      moments[i],
      surprise=float(nats[i]),
      visits=visits[moments[i].description],
    )
    for i in sorted(order[:count])
  ]
