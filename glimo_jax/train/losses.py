"""Cross-entropy and exact full-vocabulary KL from hidden states, in chunks.

With q the policy, b the frozen base model and p the target at one position:

  CE          = - sum_s p_s log q(id_s)
  KL forward  = KL(b || q) = sum_v b_v (log b_v - log q_v)   covers b's mass
  KL reverse  = KL(q || b) = sum_v q_v (log q_v - log b_v)   seeks b's modes

"Forward" is the direction of distillation (Hinton, Vinyals, Dean, Distilling
the Knowledge in a Neural Network, https://arxiv.org/abs/1503.02531), where
the base is the teacher. Both models share one frozen head, so logits live for
one chunk of tokens only: the gradient with respect to the policy's hidden
states is taken in the forward pass, chunk by chunk, and kept instead of them.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from glimo_jax import types

Array = jax.Array

DIRECTIONS = ("forward", "reverse")
KL_TOKENS = ("replay", "completion", "all")


@flax.struct.dataclass
class Sums:
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


def ce_and_kl(
  policy_BxLxD: Array,
  reference_BxLxD: Array | None,
  head_VxD: Array,
  target_ids_BxLxS: Array,
  target_probs_BxLxS: Array,
  ce_weight_BxL: Array,
  kl_weight_BxL: Array,
  *,
  chunk: int = 256,
  direction: str = "forward",
  with_ce: bool = True,
) -> Sums:
  """Sums of CE and KL over B x L scored positions; see the module's formulas.

  Differentiable once, with respect to `policy_BxLxD` only: head, reference
  and targets are constants. Chunks cut L, never B, so that a batch sharded
  over B is scored where it lies.

  Args:
    policy_BxLxD: final hidden states of the policy at the scored positions.
    reference_BxLxD: those of the base model; None leaves the KL out.
    head_VxD: the head that both share.
    target_ids_BxLxS: possible next tokens.
    target_probs_BxLxS: their probabilities, summing to 1 over S.
    ce_weight_BxL: weight of each position in the CE.
    kl_weight_BxL: weight of each position in the KL.
    chunk: tokens whose logits exist at one time (at least one column of B).
    direction: `forward` or `reverse`.
    with_ce: False leaves the CE out (text that is only leashed).

  Raises:
    ValueError: unknown direction or a chunk below 1.
  """
  if direction not in DIRECTIONS:
    raise ValueError(
      f"kl direction {direction!r} is not one of {DIRECTIONS}: choose one"
    )
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
  return _scan_chunks(direction, with_ce, cut(policy_BxLxD), head_VxD, fixed)


def objective(sums: Sums, kl_coef: float) -> Array:
  """f32[]: mean CE + kl_coef * mean KL, each over its own weight."""
  return mean(sums.ce, sums.ce_weight) + kl_coef * mean(sums.kl, sums.kl_weight)


def mean(total: Array, weight: Array) -> Array:
  """f32[]: total / weight, and 0 where nothing was weighed."""
  return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1.0), 0.0)


def leash(batch: types.Batch, tokens: str) -> types.Batch:
  """Sets which tokens of a batch the KL covers (numpy, before the device).

  A batch without any CE weight is replay text; the others are task rows.

  Args:
    batch: numpy leaves.
    tokens: `replay` (replay text, as it was weighed), `completion` (the
      positions of task rows that the CE scores) or `all` (every token of
      every row; `scored` then lists all columns).

  Returns:
    The batch; both its weights are 0 where this choice has no use for it.
  """
  if tokens not in KL_TOKENS:
    raise ValueError(
      f"kl_tokens {tokens!r} is not one of {KL_TOKENS}: choose one"
    )
  task = bool(np.any(batch.ce_weight > 0))
  if tokens == "replay":
    return batch.replace(kl_weight=batch.kl_weight * np.float32(not task))
  if tokens == "completion":
    return batch.replace(kl_weight=(batch.ce_weight > 0).astype(np.float32))
  columns = np.indices(batch.tokens.shape)[1]
  slots = batch.target_ids.shape[-1]
  every = {
    "target_ids": np.zeros((*columns.shape, slots), np.int32),
    "target_probs": np.zeros((*columns.shape, slots), np.float32),
    "ce_weight": np.zeros(columns.shape, np.float32),
  }
  used = batch.ce_weight > 0
  at = (np.nonzero(used)[0], batch.scored[used])
  for name, full in every.items():
    full[at] = getattr(batch, name)[used]
  return batch.replace(
    scored=columns.astype(np.int32),
    kl_weight=(batch.segment_ids >= 0).astype(np.float32),
    **every,
  )


def _cut(x: Array, chunks: int) -> Array:
  """[B, L, ...] -> [chunks, B, c, ...], L padded with zeros."""
  size = -(-x.shape[1] // chunks)
  pad = [(0, 0)] * x.ndim
  pad[1] = (0, size * chunks - x.shape[1])
  x = jnp.pad(x, pad)
  x = x.reshape(x.shape[0], chunks, size, *x.shape[2:])
  return jnp.moveaxis(x, 1, 0)


def _ce(logits: Array, part: dict) -> Array:
  """Weighted sum of the cross-entropy of a chunk."""
  logq = jnp.take_along_axis(jax.nn.log_softmax(logits), part["ids"], -1)
  return -jnp.sum(part["ce_weight"][..., None] * part["probs"] * logq)


def _kl(logits: Array, base_logits: Array, part: dict, direction: str) -> Array:
  """Weighted sum of the KL of a chunk, in the given direction."""
  logq, logb = jax.nn.log_softmax(logits), jax.nn.log_softmax(base_logits)
  if direction == "forward":
    kl = jnp.sum(jnp.exp(logb) * (logb - logq), -1)
  else:
    kl = jnp.sum(jnp.exp(logq) * (logq - logb), -1)
  return jnp.sum(part["kl_weight"] * kl)


def _logits(hidden: Array, head: Array) -> Array:
  return jnp.einsum(
    "bld,vd->blv", hidden, head, preferred_element_type=jnp.float32
  )


def _chunk_sums(direction, with_ce, gradients, hidden, head, part):
  """Sums of one chunk and, if asked, d ce / d hidden and d kl / d hidden."""
  logits, pull = jax.vjp(lambda h: _logits(h, head), hidden)
  zero = jnp.zeros((), jnp.float32)
  sums = Sums(zero, zero, zero, zero, zero)
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
    base = _logits(part["reference"], head)
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

  zero = jnp.zeros((), jnp.float32)
  start = Sums(zero, zero, zero, zero, zero)
  return jax.lax.scan(body, start, (policy, fixed))


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
