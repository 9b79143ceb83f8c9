"""Sampling of moments by surprise and rarity.

Surprise is -log p in nats: of the action that was taken next, where scripted
actors played; of the right actions, where the model itself played.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from glimo_jax.agent import costs, prompts
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience

_FLOOR = 0.05  # sampling weight of a moment without surprise


def of_actions(
  lm: LanguageModel | None,
  actions: Sequence[str],
  rules: Mapping[str, str],
  moments: Sequence[Experience],
  count: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """f64[n]: -log p of the action that was taken next.

  Args:
    lm: the model to be trained; None: all surprise is 0.
    actions: words of the world's actions.
    rules: variant -> its rules in words.
    moments: n of them.
    count: moments that are measured, chosen at random; the others are given
      the mean.
    rng: chooses them.
  """
  n = len(moments)
  count = min(n, count)
  if lm is None or not count:
    return np.zeros(n)
  chosen = np.sort(rng.choice(n, size=count, replace=False))
  asked = [moments[i] for i in chosen]
  scores = lm.loglik(
    [prompts.acting(rules[m.variant], m.description) for m in asked],
    [tuple(actions)] * count,
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
  """f64[n]: -log p of the right actions together; 0 where none is known.

  Args:
    tools: measure which actions are right.
    moments: n of them.
    logprobs: f64[A] for each moment, the model's, normalised over actions.
  """
  out = np.zeros(len(moments))
  for i, cost in enumerate(tools.measure(moments)):
    best = list(costs.best_actions(cost))
    if best:
      out[i] = -np.logaddexp.reduce(logprobs[i][best])
  return out


def choose(
  moments: Sequence[Experience],
  nats: np.ndarray,
  count: int,
  rng: np.random.Generator,
) -> list[Experience]:
  """Samples at most `count` moments by surprise over the root of visits.

  They keep their order; their fields `surprise` and `visits` are set.

  Args:
    moments: n of them.
    nats: f64[n], their surprise.
    count: moments to keep.
    rng: of the sampling, which is without replacement.
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
