"""How far the next-token distributions of two models lie apart."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glimo_jax.models import decoder, scoring_rows
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.models.sampler import Sampler
from glimo_jax.models.scoring_rows import ScoringItem
from glimo_jax.types import AnyArray

Array = jax.Array
Weights = tuple[Any, Adapter | None]  # params and adapter


def kl(
  policy: Sampler,
  reference: Sampler,
  texts: Sequence[tuple[Sequence[int], int]],
) -> list[np.ndarray]:
  """KL(policy || reference) of the next token, in nats.

  Args:
    policy, reference: samplers of one base model.
    texts: (token ids, number of the first tokens that are only read).

  Returns:
    For each text f32[n]: after the tokens that are only read, and after each
    token after them.
  """
  items = [
    ScoringItem(
      tokens=list(ids),
      positions=list(range(len(ids))),
      branches=[0] * len(ids),
      columns=list(range(read - 1, len(ids))),
      targets=[[0]] * (len(ids) - read + 1),
    )
    for ids, read in texts
  ]
  batches = [*scoring_rows.pack(items)]

  def work(i: int) -> np.ndarray:
    *inputs, columns, _ = scoring_rows.arrays(batches[i])
    return np.asarray(
      _kl(policy.config, policy.weights, reference.weights, *inputs, columns)
    )

  shared = policy.in_shares(work, len(batches), scoring_rows.floats)
  for rows, found in zip(batches, shared, strict=True):
    done = 0
    for item in itertools.chain(*rows.items):
      item.answer.append(found[done : done + len(item.columns)])
      done += len(item.columns)
  return [item.answer[0] for item in items]


@functools.partial(jax.jit, static_argnums=0)
def _kl(
  config: DecoderConfig,
  policy: Weights,
  reference: Weights,
  tokens: Int[AnyArray, "B T"],
  positions: Int[AnyArray, "B T"],
  segments: Int[AnyArray, "B T"],
  columns_N: Int[AnyArray, " N"],
) -> Float[Array, " N"]:
  """f32: the KL at columns of the flattened tokens."""

  def hidden(weights: Weights) -> Float[Array, "N D"]:
    params, adapter = weights
    states = decoder.hidden_states(
      config, params, tokens, positions, segments, adapter=adapter
    )
    return states.reshape(-1, config.dim)[columns_N]

  def one(pair: tuple[Array, Array]) -> Array:
    logp, logq = (
      jax.nn.log_softmax(decoder.logits(params, states))
      for (params, _), states in zip((policy, reference), pair, strict=True)
    )
    return jnp.sum(jnp.exp(logp) * (logp - logq), axis=-1)

  pair = (hidden(policy), hidden(reference))
  size = min(len(columns_N), scoring_rows.HEAD_CHUNK)
  chunks = jax.tree.map(lambda x: x.reshape(-1, size, x.shape[-1]), pair)
  return jax.lax.map(one, chunks).reshape(-1)
