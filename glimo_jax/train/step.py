"""One optimizer step on an adapter, over a mesh.

  loss = sum CE / sum CE weight + kl_coef * sum KL / sum KL weight

over all batches, microbatches and devices of a step; each term is divided by
its own global weight. A budget raises kl_coef for the text or the chats of the
replay (`budget`). The base params are an input of the step and never an
output.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Float

from glimo_jax import fields
from glimo_jax import mesh as mesh_lib
from glimo_jax.models import decoder
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.models.numerics import remat
from glimo_jax.train import budget, losses
from glimo_jax.types import AnyArray, Batch, TrainState

Array = jax.Array
PyTree = Any
Terms = tuple[tuple[bool, bool], ...]  # (has CE, has KL) of each batch
NO_BUDGETS = budget.as_array({})
# Fields of StepConfig that a resumed run may change: they do not change what
# is learnt. (`remat` changes rounding.)
CHANGEABLE = (
  "remat", "checkpoint_every", "log_every", "tensorboard", "profile_steps",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class StepConfig:
  """How to train; each phase has its own warmup and cosine.

  Attributes:
    lr: peak learning rate of AdamW.
    warmup: steps of linear rise at the start of each phase.
    weight_decay: AdamW's, on the adapter.
    b1, b2: decay of AdamW's moments.
    eps: added to the root of AdamW's second moment.
    clip_norm: largest global norm of the gradient.
    kl_coef: weight of the mean KL relative to the mean CE; 0 omits the KL.
    kl_direction: `forward` KL(base || policy) or `reverse`.
    kl_tokens: `replay`, `completion` or `all`; see `losses.mask_kl`.
    chunk: scored tokens whose logits exist at one time.
    accumulate: microbatches that a batch's rows are split into.
    remat: what the backward pass recomputes, to save memory: `none`, all but
      the outputs of linear maps and attention (`dots`), or all that is inside
      a layer (`full`).
    activation_cache_gib: GiB for the output of the frozen layers below the
      adapter's first (`activation_cache`). Above 0, rows are packed and replay
      text is cut once instead of once per epoch, and from the second epoch
      on those layers are not run for batches in the cache. A batch takes
      B x T x D numbers of `model.dtype`.
    checkpoint_every: steps between checkpoints; each phase ends with one, too.
    log_every: steps between log lines where there is no terminal.
    tensorboard: write event files, too.
    profile_steps: steps that JAX's profiler traces, from the third on; see
      `profiling`. 0 for none.
    seed: of the run's PRNG key.
  """

  lr: float = 1.5e-3
  warmup: int = 10
  weight_decay: float = 0.0
  b1: float = 0.9
  b2: float = 0.999
  eps: float = 1e-8
  clip_norm: float = 1.0
  kl_coef: float = 1.0
  kl_direction: str = "forward"
  kl_tokens: str = "replay"
  chunk: int = 256
  accumulate: int = 1
  remat: str = "full"
  activation_cache_gib: float = 0.0
  checkpoint_every: int = 50
  log_every: int = 10
  tensorboard: bool = False
  profile_steps: int = 0
  seed: int = 0

  def __post_init__(self):
    fields.check_ranges(
      self,
      "train.",
      above=dict.fromkeys(("lr", "clip_norm", "eps"), 0),
      at_least={
        "warmup": 0,
        "weight_decay": 0,
        "kl_coef": 0,
        "activation_cache_gib": 0,
        "seed": 0,
        "profile_steps": 0,
        "chunk": 1,
        "accumulate": 1,
        "checkpoint_every": 1,
        "log_every": 1,
      },
    )
    fields.check_known(
      "train.kl_direction", self.kl_direction, losses.DIRECTIONS
    )
    fields.check_known("train.kl_tokens", self.kl_tokens, losses.KL_TOKENS)
    fields.check_known("train.remat", self.remat, remat.POLICIES)


def optimizer(config: StepConfig) -> optax.GradientTransformation:
  """AdamW without the learning rate, by which the step multiplies.

  "Decoupled Weight Decay Regularization", https://arxiv.org/abs/1711.05101.
  """
  return optax.chain(
    optax.clip_by_global_norm(config.clip_norm),
    optax.scale_by_adam(config.b1, config.b2, config.eps),
    optax.add_decayed_weights(config.weight_decay),
  )


def batch_sums(
  config: StepConfig,
  decoder_config: DecoderConfig,
  adapter: Adapter,
  params: PyTree,
  batch: Batch,
  with_ce: bool,
  with_kl: bool,
) -> losses.Sums:
  """Numerators and normalisers of one batch.

  Without a KL the reference model is not run.
  """
  inputs = (batch.tokens, batch.positions, batch.segment_ids)
  if with_kl:
    hidden = decoder.hidden_pair(
      decoder_config,
      params,
      adapter,
      *inputs,
      activations=batch.activations,
      remat=config.remat,
    )
  else:
    policy = decoder.hidden_states(
      decoder_config,
      params,
      *inputs,
      adapter=adapter,
      activations=batch.activations,
      remat=config.remat,
    )
    hidden = (policy, None)
  at = batch.scored[..., None]
  policy, reference = jax.tree.map(
    lambda h: jnp.take_along_axis(h, at, axis=1), hidden
  )
  return losses.ce_and_kl(
    policy,
    reference,
    decoder.head(params),
    batch.target_ids,
    batch.target_probs,
    batch.ce_weight,
    batch.kl_weight,
    chunk=config.chunk,
    direction=config.kl_direction,
    with_ce=with_ce,
  )


@functools.partial(
  jax.jit,
  static_argnames=("config", "decoder_config", "mesh", "terms"),
  donate_argnames="state",
)
def train_step(
  state: TrainState,
  params: PyTree,
  batches: tuple[Batch, ...],
  rate: Float[AnyArray, ""],
  budgets: Float[AnyArray, " terms"] = NO_BUDGETS,
  *,
  config: StepConfig,
  decoder_config: DecoderConfig,
  mesh: Mesh,
  terms: Terms,
) -> tuple[TrainState, dict[str, Array]]:
  """One optimizer step; it donates the state and nothing else.

  Args:
    state: before the step.
    params: the base weights, from `placement.place_params`.
    batches: from `placement.place_batches`.
    rate: learning rate.
    budgets: from `budget.as_array`.
    config: how to train.
    decoder_config: sizes of the model.
    mesh: devices.
    terms: from `placement.place_batches`.

  Returns:
    The new state, and the step's metrics.
  """

  def loss(sums):
    """Each batch over the weights of all, with the coefficient of its KL."""
    parts = [
      losses.objective(s.replace(ce_weight=weight[0], kl_weight=weight[1]), c)
      for s, c in zip(sums, coefs, strict=True)
    ]
    return sum(parts[1:], parts[0])

  def objective(adapter, micro):
    sums = tuple(
      batch_sums(config, decoder_config, adapter, params, batch, *term)
      for batch, term in zip(micro, terms, strict=True)
    )
    return loss(sums), sums

  def accumulate(total, micro):
    (_, sums), grads = jax.value_and_grad(objective, has_aux=True)(
      state.adapter, micro
    )
    return jax.tree.map(jnp.add, total, (grads, sums)), None

  def split_rows(x):
    # Every accumulate-th row, so that a device's rows stay with it.
    x = x.reshape(-1, config.accumulate, *x.shape[1:])
    return x.swapaxes(0, 1)

  coefs = [config.kl_coef * state.multipliers[budget.term(b)] for b in batches]
  weight = _global_weights(batches, terms)
  start = jax.tree.map(jnp.zeros_like, state.adapter)
  with mesh_lib.use(mesh):
    (grads, of_batch), _ = jax.lax.scan(
      accumulate,
      (start, (losses.Sums.zero(),) * len(batches)),
      jax.tree.map(split_rows, batches),
    )
  sums = jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *of_batch)
  # Optax raises a float to an integer step, which strict promotion refuses.
  with jax.numpy_dtype_promotion("standard"):
    updates, opt_state = optimizer(config).update(
      grads, state.opt_state, state.adapter
    )
  adapter = jax.tree.map(lambda p, u: p - rate * u, state.adapter, updates)
  metrics = {
    "loss": loss(of_batch),
    "ce": losses.mean(sums.ce, sums.ce_weight),
    "kl": losses.mean(sums.kl, sums.kl_weight),
    "accuracy": losses.mean(sums.correct, sums.ce_weight),
    "grad_norm": optax.tree.norm(grads),
    "learning_rate": rate,
    "kl_coef": coefs[-1],  # of the replay text, which comes last
    "ce_tokens": sums.ce_weight,
    "kl_tokens": sums.kl_weight,
  }
  state = state.replace(
    step=state.step + 1,
    adapter=adapter,
    opt_state=opt_state,
    multipliers=budget.ascend(state.multipliers, budgets, batches, of_batch),
  )
  everywhere = mesh_lib.sharding(mesh)
  return jax.lax.with_sharding_constraint((state, metrics), everywhere)


def _global_weights(
  batches: Sequence[Batch], terms: Terms
) -> tuple[Float[Array, ""], Float[Array, ""]]:
  """Weight of the CE and of the KL, over all rows of a step."""
  ce = [
    b.ce_weight
    for b, (with_ce, _) in zip(batches, terms, strict=True)
    if with_ce
  ]
  kl = [
    b.kl_weight
    for b, (_, with_kl) in zip(batches, terms, strict=True)
    if with_kl
  ]
  zero = jnp.zeros((), jnp.float32)
  return sum(map(jnp.sum, ce), zero), sum(map(jnp.sum, kl), zero)
