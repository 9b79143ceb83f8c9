"""Budgets of the KL, held by dual ascent.

Training minimises CE + kl_coef * KL subject to KL <= budget for each term that
has a budget (replay text, chats). The Lagrangian multiplies kl_coef of that
term by m >= 1. After each step with rows of the term

  m <- max(1, m * exp(RATE * clip(KL / budget - 1, -1, 1)))

so m rises while the budget is exceeded, and falls to 1 where it is not needed.
Dual ascent: Boyd et al. 2011, "Distributed Optimization and Statistical
Learning via ADMM", section 2.1, https://doi.org/10.1561/2200000016. The step is
multiplicative and clipped, as in the controller of "Fine-Tuning Language Models
from Human Preferences", section 2.2, https://arxiv.org/abs/1909.08593, because
the right scale is unknown and the KL of one batch is noisy.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glimo_jax import fields
from glimo_jax.train.losses import Sums, mean
from glimo_jax.types import KL_TERMS, AnyArray, Batch

Array = jax.Array
RATE = 0.2  # most that a step changes the logarithm of a multiplier


def as_array(budgets: Mapping[str, float]) -> np.ndarray:
  """f32[terms]: the budget of each of KL_TERMS in nats per token; 0 for none.

  Raises:
    ValueError: an unknown term.
  """
  for name in budgets:
    fields.check_known("KL budget", name, KL_TERMS)
  return np.array([budgets.get(name, 0.0) for name in KL_TERMS], np.float32)


def term(batch: Batch) -> Int[Array, ""]:
  """The index of the term that the KL of a batch belongs to."""
  if batch.kl_term is None:
    return jnp.int32(KL_TERMS.index("task"))
  return jnp.asarray(batch.kl_term)[0]


def ascend(
  multipliers: Float[AnyArray, " terms"],
  budgets: Float[AnyArray, " terms"],
  batches: Sequence[Batch],
  sums: Sequence[Sums],
) -> Float[Array, " terms"]:
  """The multipliers after a step.

  Args:
    multipliers: before it.
    budgets: from `as_array`.
    batches: of the step.
    sums: of each batch, over all its rows.
  """
  multipliers, budgets = jnp.asarray(multipliers), jnp.asarray(budgets)
  for batch, total in zip(batches, sums, strict=True):
    at = term(batch)
    limited = (budgets[at] > 0) & (total.kl_weight > 0)
    budget = jnp.where(limited, budgets[at], 1.0)
    excess = mean(total.kl, total.kl_weight) / budget - 1
    factor = jnp.exp(RATE * jnp.clip(excess, -1, 1))
    changed = jnp.maximum(1, multipliers[at] * factor)
    multipliers = multipliers.at[at].set(
      jnp.where(limited, changed, multipliers[at])
    )
  return multipliers
