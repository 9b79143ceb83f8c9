"""Cross-entropy and exact full-vocabulary KL from hidden states, in chunks.

With q the policy, b the frozen base model and p the target at one position:

  CE          = - sum_s p_s log q(id_s)
  KL forward  = KL(b || q) = sum_v b_v (log b_v - log q_v)   covers b's mass
  KL reverse  = KL(q || b) = sum_v q_v (log q_v - log b_v)   seeks b's modes

"Forward" is the direction of distillation with the base as the teacher:
"Distilling the Knowledge in a Neural Network", section 2,
https://arxiv.org/abs/1503.02531. Both models share one frozen head. Logits
exist for one chunk of tokens at a time: the forward pass computes the gradient
with respect to the policy's hidden states chunk by chunk, and stores it
instead of the logits.
"""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glimo_jax import fields
from glimo_jax import mesh as mesh_lib
from glimo_jax.models.numerics import products
from glimo_jax.types import AnyArray, Batch

Array = jax.Array

DIRECTIONS = ("forward", "reverse")
KL_TOKENS = ("replay", "completion", "all")

Part = dict[
  str, Any
]  # reference, ids, probs, ce_weight and kl_weight of a chunk


class Sums(flax.struct.PyTreeNode):
  """Numerators and normalisers, to be added over batches and microbatches.

  Attributes:
    ce: f32[], sum of ce_weight * CE, in nats.
    ce_weight: f32[], sum of ce_weight.
    kl: f32[], sum of kl_weight * KL, in nats; 0 without a reference.
    kl_weight: f32[], sum of kl_weight; 0 without a reference.
    correct: f32[], sum of ce_weight where the likeliest token is a target.
  """

  ce: Array
  ce_weight: Array
  kl: Array
  kl_weight: Array
  correct: Array

  @classmethod
  def zero(cls) -> "Sums":
    """No positions yet."""
    zero = jnp.zeros((), jnp.float32)
    return cls(zero, zero, zero, zero, zero)


def ce_and_kl(
  policy_BxLxD: Float[AnyArray, "B L D"],
  reference_BxLxD: Float[AnyArray, "B L D"] | None,
  head_VxD: Float[AnyArray, "V D"],
  target_ids_BxLxS: Int[AnyArray, "B L S"],
  target_probs_BxLxS: Float[AnyArray, "B L S"],
  ce_weight_BxL: Float[AnyArray, "B L"],
  kl_weight_BxL: Float[AnyArray, "B L"],
  *,
  chunk: int = 256,
  direction: str = "forward",
  with_ce: bool = True,
) -> Sums:
  """Sums of CE and KL over B x L scored positions; see the module's formulas.

  Differentiable once, with respect to `policy_BxLxD` only: head, reference
  and targets are constants. Chunks cut L, never B, so that a batch sharded
  over B is scored on its own devices.

  Args:
    policy_BxLxD: final hidden states of the policy at the scored positions.
    reference_BxLxD: those of the base model; None omits the KL.
    head_VxD: the output matrix of both models.
    target_ids_BxLxS: possible next tokens.
    target_probs_BxLxS: their probabilities, summing to 1 over S.
    ce_weight_BxL: weight of each position in the CE.
    kl_weight_BxL: weight of each position in the KL.
    chunk: tokens whose logits exist at one time (at least one column of B).
    direction: `forward` or `reverse`.
    with_ce: False omits the CE, as for replay text.

  Raises:
    ValueError: unknown direction or a chunk below 1.
  """
  fields.check_known("KL direction", direction, DIRECTIONS)
  if chunk < 1:
    raise ValueError(f"chunk {chunk} must be at least 1 token: raise it")
  batch, length = policy_BxLxD.shape[:2]
  chunks = min(length, -(-batch * length // chunk))
  cut = functools.partial(_cut, chunks=chunks)
  fixed = {
    "reference": None if reference_BxLxD is None else cut(reference_BxLxD),
    "ids": cut(target_ids_BxLxS),
    "probs": cut(target_probs_BxLxS),
    "ce_weight": cut(ce_weight_BxL),
    "kl_weight": cut(kl_weight_BxL),
  }
  head = mesh_lib.constrain(jnp.asarray(head_VxD), "vocab", None)
  return _scan_chunks(direction, with_ce, cut(policy_BxLxD), head, fixed)


def objective(sums: Sums, kl_coef: float | Array) -> Array:
  """f32[]: mean CE + kl_coef * mean KL, each over its own weight."""
  return mean(sums.ce, sums.ce_weight) + kl_coef * mean(sums.kl, sums.kl_weight)


def mean(total: Array, weight: Array) -> Array:
  """f32[]: total / weight, and 0 where the weight is 0."""
  return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1.0), 0.0)


def mask_kl(batch: Batch, tokens: str) -> Batch:
  """Sets the tokens of a batch that the KL covers.

  A batch without any CE weight is replay text; the others are task rows.

  Args:
    batch: with numpy arrays, before it goes to the device.
    tokens: `replay` (replay text, with the weights it has), `completion` (the
      positions of task rows that the CE scores) or `all` (every token of
      every row; `scored` then lists all columns).

  Returns:
    The batch; both its weights are 0 where this choice does not use it.

  Raises:
    ValueError: an unknown choice.
  """
  fields.check_known("kl_tokens", tokens, KL_TOKENS)
  task = bool(np.any(batch.ce_weight > 0))
  if tokens == "replay":
    return batch.replace(kl_weight=batch.kl_weight * np.float32(not task))
  if tokens == "completion":
    return batch.replace(kl_weight=(batch.ce_weight > 0).astype(np.float32))
  columns = np.indices(batch.tokens.shape)[1]
  slots = batch.target_ids.shape[-1]
  used = batch.ce_weight > 0
  at = (np.nonzero(used)[0], batch.scored[used])

  def spread(values: AnyArray, *shape: int) -> np.ndarray:
    """The values of the scored positions at their columns, elsewhere 0."""
    full = np.zeros((*columns.shape, *shape), values.dtype)
    full[at] = values[used]
    return full

  return batch.replace(
    scored=columns.astype(np.int32),
    target_ids=spread(batch.target_ids, slots),
    target_probs=spread(batch.target_probs, slots),
    ce_weight=spread(batch.ce_weight),
    kl_weight=(batch.segment_ids >= 0).astype(np.float32),
  )


def _cut(x: AnyArray, chunks: int) -> Array:
  """[B, L, ...] -> [chunks, B, c, ...], L padded with zeros."""
  size = -(-x.shape[1] // chunks)
  pad = [(0, 0)] * x.ndim
  pad[1] = (0, size * chunks - x.shape[1])
  x = jnp.pad(x, pad)
  x = x.reshape(x.shape[0], chunks, size, *x.shape[2:])
  return jnp.moveaxis(x, 1, 0)


def _ce(logits: Float[Array, "B L V"], part: Part) -> Float[Array, ""]:
  """Weighted sum of the cross-entropy of a chunk."""
  logq = jnp.take_along_axis(jax.nn.log_softmax(logits), part["ids"], -1)
  return -jnp.sum(part["ce_weight"][..., None] * part["probs"] * logq)


def _kl(
  logits: Float[Array, "B L V"],
  base_logits: Float[Array, "B L V"],
  part: Part,
  direction: str,
) -> Float[Array, ""]:
  """Weighted sum of the KL of a chunk, in the given direction."""
  logq, logb = jax.nn.log_softmax(logits), jax.nn.log_softmax(base_logits)
  if direction == "forward":
    kl = jnp.sum(jnp.exp(logb) * (logb - logq), -1)
  else:
    kl = jnp.sum(jnp.exp(logq) * (logq - logb), -1)
  return jnp.sum(part["kl_weight"] * kl)


def _chunk_sums(
  direction: str,
  with_ce: bool,
  gradients: bool,
  hidden: Float[Array, "B L D"],
  head: Float[AnyArray, "V D"],
  part: Part,
) -> tuple[Sums, tuple[Array | None, Array | None]]:
  """Sums of one chunk and, if asked, d ce / d hidden and d kl / d hidden."""
  hidden = mesh_lib.constrain(hidden, "batch")
  logits, pull = jax.vjp(lambda h: products.logits(h, head), hidden)
  sums = Sums.zero()
  d_ce = d_kl = None
  if with_ce:
    ce, pull_ce = jax.vjp(lambda x: _ce(x, part), logits)
    best = jnp.argmax(logits, -1)[..., None]
    hit = jnp.any((part["ids"] == best) & (part["probs"] > 0), -1)
    weight = part["ce_weight"]
    sums = sums.replace(
      ce=ce,
      ce_weight=jnp.sum(weight),
      correct=jnp.sum(jnp.where(hit, weight, 0.0)),
    )
    if gradients:
      (d_ce,) = pull(*pull_ce(jnp.ones_like(ce)))
  if part["reference"] is not None:
    base = products.logits(part["reference"], head)
    kl, pull_kl = jax.vjp(lambda x: _kl(x, base, part, direction), logits)
    sums = sums.replace(kl=kl, kl_weight=jnp.sum(part["kl_weight"]))
    if gradients:
      (d_kl,) = pull(*pull_kl(jnp.ones_like(kl)))
  return sums, (d_ce, d_kl)


def _scan(direction, with_ce, gradients, policy, head, fixed):
  def body(total, chunk):
    sums, grads = _chunk_sums(
      direction, with_ce, gradients, chunk[0], head, chunk[1]
    )
    return jax.tree.map(jnp.add, total, sums), grads

  return jax.lax.scan(body, Sums.zero(), (policy, fixed))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _scan_chunks(direction, with_ce, policy, head, fixed):
  return _scan(direction, with_ce, False, policy, head, fixed)[0]


def _forward(direction, with_ce, policy, head, fixed):
  return _scan(direction, with_ce, True, policy, head, fixed)


def _backward(direction, with_ce, grads, sums_bar):
  d_ce, d_kl = grads
  parts = []
  if d_ce is not None:
    parts.append(sums_bar.ce.astype(d_ce.dtype) * d_ce)
  if d_kl is not None:
    parts.append(sums_bar.kl.astype(d_kl.dtype) * d_kl)
  return sum(parts[1:], parts[0]) if parts else None, None, None


_scan_chunks.defvjp(_forward, _backward)
