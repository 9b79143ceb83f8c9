"""One optimizer step on an adapter, over a mesh.

  loss = sum CE / sum CE weight + kl_coef * sum KL / sum KL weight

over all batches, microbatches and devices of a step, each term by its own
global weight. The base params are an input of the step and never an output.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import decoder
from glimo_jax.train import losses
from glimo_jax.types import Batch, TrainState

PyTree = Any
Terms = tuple[tuple[bool, bool], ...]  # (with CE, with KL) of each batch


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """How to train; each stage runs its own warmup and cosine.

  Attributes:
    lr: peak of AdamW's rate.
    warmup: steps of linear rise at the start of each stage.
    weight_decay: AdamW's, on the adapter.
    b1, b2: decay of AdamW's moments.
    eps: added to the root of AdamW's second moment.
    clip_norm: largest global norm of the gradient.
    kl_coef: weight of the mean KL beside the mean CE; 0 leaves it out.
    kl_direction: `forward` KL(base || policy) or `reverse`.
    kl_tokens: `replay`, `completion` or `all`; see `losses.leash`.
    chunk: scored tokens whose logits exist at one time.
    accumulate: microbatches that a batch's rows are split into.
    remat: recompute activations in the backward pass; saves memory.
    keep_gib: GiB for what the frozen layers below the adapter's first make of
      batches. Above 0 rows are packed and replay text is cut once, not anew in
      each epoch, and from the second epoch on those layers are not computed
      again for what is kept: B x T x D x 4 bytes a batch in float32.
    checkpoint_every: steps between checkpoints; one more ends each stage.
    log_every: steps between log lines where there is no terminal.
    tensorboard: write event files, too.
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
  remat: bool = True
  keep_gib: float = 0.0
  checkpoint_every: int = 50
  log_every: int = 10
  tensorboard: bool = False
  seed: int = 0

  def __post_init__(self):
    for name in ("lr", "clip_norm", "eps"):
      if not getattr(self, name) > 0:
        raise ValueError(
          f"train.{name} {getattr(self, name)} must be positive: raise it"
        )
    for name in ("warmup", "weight_decay", "kl_coef", "keep_gib", "seed"):
      if not getattr(self, name) >= 0:
        raise ValueError(
          f"train.{name} {getattr(self, name)} must not be negative: set it "
          "to 0 or more"
        )
    for name in ("chunk", "accumulate", "checkpoint_every", "log_every"):
      if getattr(self, name) < 1:
        raise ValueError(
          f"train.{name} {getattr(self, name)} must be at least 1: raise it"
        )
    for name, known in (
      ("kl_direction", losses.DIRECTIONS),
      ("kl_tokens", losses.KL_TOKENS),
    ):
      if getattr(self, name) not in known:
        raise ValueError(
          f"train.{name} {getattr(self, name)!r} is not one of {known}: "
          "choose one"
        )


def optimizer(config: TrainConfig) -> optax.GradientTransformation:
  """AdamW up to the learning rate, which the step multiplies in.

  "Decoupled Weight Decay Regularization", https://arxiv.org/abs/1711.05101.
  """
  return optax.chain(
    optax.clip_by_global_norm(config.clip_norm),
    optax.scale_by_adam(config.b1, config.b2, config.eps),
    optax.add_decayed_weights(config.weight_decay),
  )


def init_state(config: TrainConfig, adapter: PyTree, mesh: Mesh) -> TrainState:
  """The state before the first step, on every device of the mesh."""
  # A copy: the first step donates it, and the caller may keep the original.
  adapter = jax.tree.map(functools.partial(jnp.array, copy=True), adapter)
  state = TrainState(
    step=jnp.zeros((), jnp.int32),
    adapter=adapter,
    opt_state=optimizer(config).init(adapter),
    key=jax.random.key(config.seed),
  )
  return jax.device_put(state, mesh_lib.sharding(mesh))


def place_params(
  params: PyTree, config: decoder.DecoderConfig, mesh: Mesh
) -> PyTree:
  """The base params, laid over the mesh by `decoder.param_specs`."""
  return jax.tree.map(
    lambda spec, x: jax.device_put(x, mesh_lib.sharding(mesh, *spec)),
    decoder.param_specs(config),
    params,
    is_leaf=lambda spec: isinstance(spec, tuple),
  )


def place_batches(
  batches: Sequence[Batch], config: TrainConfig, mesh: Mesh
) -> tuple[tuple[Batch, ...], Terms]:
  """Leashes batches, says which terms each has, lays rows over the mesh.

  Batches without any term are left out. In a run of several processes each
  gives its own rows.

  Raises:
    ValueError: rows that mesh or accumulation cannot divide, or no terms.
  """
  placed, terms = [], []
  for batch in batches:
    batch = losses.leash(batch, config.kl_tokens)
    term = (
      bool(np.any(batch.ce_weight > 0)),
      config.kl_coef > 0 and bool(np.any(batch.kl_weight > 0)),
    )
    if not any(term):
      continue
    rows = batch.tokens.shape[0] * jax.process_count()
    mesh_lib.check_batch(rows, mesh)
    ways = mesh.shape["data"] * mesh.shape["fsdp"] * config.accumulate
    if rows % ways:
      raise ValueError(
        f"batch {rows} is not divisible by data x fsdp x accumulate = {ways}: "
        f"set --config.train.batch to a multiple of {ways}"
      )
    sharding = mesh_lib.sharding(mesh, "batch")
    put = functools.partial(jax.make_array_from_process_local_data, sharding)
    placed.append(jax.tree.map(put, batch))
    terms.append(term)
  if not placed:
    raise ValueError(
      "a step's batches hold nothing to learn: give task rows, or replay text "
      "with kl_coef above 0"
    )
  return tuple(placed), tuple(terms)


def batch_sums(
  config: TrainConfig,
  decoder_config: decoder.DecoderConfig,
  adapter: PyTree,
  params: PyTree,
  batch: Batch,
  with_ce: bool,
  with_kl: bool,
) -> losses.Sums:
  """Numerators and normalisers of one batch; no KL, no reference forward."""
  inputs = (batch.tokens, batch.positions, batch.segment_ids)
  options = dict(lower=batch.lower, remat=config.remat)
  if with_kl:
    hidden = decoder.hidden_pair(
      decoder_config, params, adapter, *inputs, **options
    )
  else:
    policy = decoder.hidden_states(
      decoder_config, params, *inputs, adapter=adapter, **options
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


@functools.lru_cache(maxsize=8)
def make_step(
  config: TrainConfig, decoder_config: decoder.DecoderConfig, mesh: Mesh
) -> Callable:
  """The jitted step; it donates the state and nothing else.

  Remembered, so that a later run of the same settings compiles nothing.

  Returns:
    (state, params, batches, rate, terms) -> (state, metrics), with batches
    and terms as `place_batches` gives them and rate the learning rate, f32[].
  """
  update = optimizer(config).update

  def objective(adapter, params, batches, terms, weight):
    sums = [
      batch_sums(config, decoder_config, adapter, params, batch, *term)
      for batch, term in zip(batches, terms, strict=True)
    ]
    total = jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *sums)
    weighed = total.replace(ce_weight=weight[0], kl_weight=weight[1])
    return losses.objective(weighed, config.kl_coef), total

  def train_step(state, params, batches, rate, terms):
    weight = tuple(
      sum(
        (
          jnp.sum(getattr(batch, name))
          for batch, term in zip(batches, terms, strict=True)
          if term[i]
        ),
        jnp.zeros((), jnp.float32),
      )
      for i, name in enumerate(("ce_weight", "kl_weight"))
    )

    def accumulate(total, micro):
      (_, sums), grads = jax.value_and_grad(objective, has_aux=True)(
        state.adapter, params, micro, terms, weight
      )
      return jax.tree.map(jnp.add, total, (grads, sums)), None

    zero = jnp.zeros((), jnp.float32)
    start = jax.tree.map(jnp.zeros_like, state.adapter)
    (grads, sums), _ = jax.lax.scan(
      accumulate,
      (start, losses.Sums(zero, zero, zero, zero, zero)),
      jax.tree.map(_split_rows, batches),
    )
    # Optax raises a float to an integer step, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
      updates, opt_state = update(grads, state.opt_state, state.adapter)
    adapter = jax.tree.map(lambda p, u: p - rate * u, state.adapter, updates)
    told = {
      "loss": losses.objective(sums, config.kl_coef),
      "ce": losses.mean(sums.ce, sums.ce_weight),
      "kl": losses.mean(sums.kl, sums.kl_weight),
      "accuracy": losses.mean(sums.correct, sums.ce_weight),
      "grad_norm": optax.tree.norm(grads),
      "learning_rate": rate,
      "ce_tokens": sums.ce_weight,
      "kl_tokens": sums.kl_weight,
    }
    state = state.replace(
      step=state.step + 1, adapter=adapter, opt_state=opt_state
    )
    return state, told

  def _split_rows(x):
    # Every accumulate-th row, so that a device's rows stay with it.
    x = x.reshape(-1, config.accumulate, *x.shape[1:])
    return x.swapaxes(0, 1)

  everywhere = mesh_lib.sharding(mesh)
  return jax.jit(
    train_step,
    static_argnames="terms",
    donate_argnames="state",
    out_shardings=(everywhere, everywhere),
  )
