"""The training run: phases in order, metrics, checkpoints, resuming.

The reference of the KL is the base model in every phase. What a phase learns
is in the adapter; the base params never change.
"""

import contextlib
import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from glimo_jax import mesh as mesh_lib
from glimo_jax.files import PathLike
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.lora import Adapter
from glimo_jax.train import (
  budget,
  checkpoint,
  metrics,
  placement,
  preemption,
  profiling,
  throughput,
)
from glimo_jax.train import step as step_lib
from glimo_jax.train.activation_cache import ActivationCache
from glimo_jax.train.step import StepConfig
from glimo_jax.types import Batch, BatchIterator

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Phase:
  """A part of the run: its own data, warmup, cosine and fresh moments."""

  name: str
  iterator: BatchIterator
  steps: int


def learning_rates(config: StepConfig, phases: Sequence[Phase]) -> np.ndarray:
  """f32[total steps]: linear rise, then half a cosine to 0, in each phase."""
  parts: list[np.ndarray] = []
  for phase in phases:
    if phase.steps <= config.warmup:
      raise ValueError(
        f"phase {phase.name!r} has {phase.steps} steps, warmup takes "
        f"{config.warmup}: raise its steps or lower --config.train.warmup"
      )
    rise = np.arange(1, config.warmup + 1) / max(config.warmup, 1)
    fall = np.linspace(0, np.pi, phase.steps - config.warmup, endpoint=False)
    parts += [rise, 0.5 * (1 + np.cos(fall))]
  return (config.lr * np.concatenate(parts)).astype(np.float32)


def train(
  config: StepConfig,
  decoder_config: DecoderConfig,
  params: PyTree,
  adapter: Adapter,
  phases: Sequence[Phase],
  mesh: Mesh,
  workdir: PathLike,
  log: Callable[[str], None] = print,
  budgets: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Adapter, list[dict[str, Any]]]:
  """Trains through all phases; continues where an earlier call stopped.

  The processes of a run all call it, with equal arguments and one folder.

  Args:
    config: how to train.
    decoder_config: sizes of the model.
    params: base weights; the reference of the KL in every phase.
    adapter: where to start from.
    phases: in this order.
    mesh: devices.
    workdir: folder of the checkpoints and metrics.jsonl; a finished run
      returns at once.
    log: takes a line of progress where there is no terminal.
    budgets: most KL of each of KL_TERMS, in nats per token; see `budget`.

  Returns:
    The trained adapter and the metrics of each step.

  Raises:
    FloatingPointError: a metric is not finite; names the step and its rows.
    Preempted: a signal asked to stop; the last step is saved.
    ValueError: bad settings, or a workdir made with other settings.
  """
  rates, limits = learning_rates(config, phases), budget.as_array(budgets)
  # Measured by each process, perhaps with other last bits.
  limits = multihost_utils.broadcast_one_to_all(limits)
  ends = list(itertools.accumulate(phase.steps for phase in phases))
  workdir = pathlib.Path(workdir)
  state = placement.init_state(config, adapter, mesh)
  saver = checkpoint.Checkpointer(
    workdir / "checkpoints",
    fingerprint(config, decoder_config, adapter, phases),
  )
  restored = saver.restore(state)
  if restored is not None:
    state = restored[0]
  step = int(state.step)
  if step == ends[-1]:
    saver.close()
    return state.adapter, metrics.read(workdir)
  if restored is not None:
    for phase, saved in zip(phases, restored[1]["data"], strict=True):
      phase.iterator.set_state(saved)
    log(f"training continues at step {step} of {ends[-1]}")
  params = placement.place_params(params, decoder_config, mesh)
  cache = ActivationCache(
    decoder_config, params, adapter.first_layer, config.activation_cache_gib
  )
  peak = throughput.peak_flops(mesh.devices.flat[0].device_kind)
  peak = peak * mesh.size if peak else None
  if mesh_lib.is_first():
    reporter = metrics.Reporter(
      workdir, step, ends[-1], config.log_every, log, config.tensorboard, peak
    )
  else:
    reporter = metrics.History(workdir, step, peak)
  traced = config.profile_steps if mesh_lib.is_first() else 0
  profiler = profiling.Profiler(workdir, step, traced)
  with (
    preemption.Preemption() as stopping,
    contextlib.closing(saver),
    contextlib.closing(reporter),
    contextlib.closing(profiler),
  ):
    pending = None
    for phase, end in zip(phases, ends, strict=True):
      if step == end - phase.steps and step:
        fresh = placement.init_state(config, state.adapter, mesh)
        state = state.replace(opt_state=fresh.opt_state)
      while step < end:
        data = next(phase.iterator)
        batches, terms = placement.place_batches(data, config, mesh)
        with mesh_lib.use(mesh):
          batches = cache(batches)
        profiler.before(step, state.step)
        state, values = step_lib.train_step(
          state,
          params,
          batches,
          rates[step],
          limits,
          config=config,
          decoder_config=decoder_config,
          mesh=mesh,
          terms=terms,
        )
        step += 1
        # Read one step late: the next step and its batch are on the device.
        _report(reporter, pending)
        flops = throughput.step_flops(config, decoder_config, adapter, data)
        pending = _Step(phase.name, step, values, data, flops)
        stop = stopping.reached(step)
        if step % config.checkpoint_every == 0 or step == end or stop:
          _report(reporter, pending)
          pending = None
          positions = [s.iterator.get_state() for s in phases]
          saver.save(state, {"phase": phase.name, "data": positions})
        if stop:
          raise preemption.Preempted(
            f"stopped at step {step} of {ends[-1]}, which is saved: the same "
            "command continues from there"
          )
  return state.adapter, reporter.history


def fingerprint(
  config: StepConfig,
  decoder_config: DecoderConfig,
  adapter: Adapter,
  phases: Sequence[Phase],
) -> dict[str, Any]:
  """The settings that a resumed run must share."""
  settings = dataclasses.asdict(config)
  for name in step_lib.CHANGEABLE:
    del settings[name]
  a = next(iter(adapter.weights.values()))["a"]
  return {
    "train": settings,
    "decoder": dataclasses.asdict(decoder_config),
    "adapter": {
      "rank": a.shape[-1],
      "alpha": adapter.scale * a.shape[-1],
      "first_layer": adapter.first_layer,
      "targets": sorted(adapter.weights),
    },
    "phases": {phase.name: phase.steps for phase in phases},
  }


class _Step(NamedTuple):
  """A step whose metrics are still on the device."""

  phase: str
  number: int
  values: dict[str, jax.Array]
  data: tuple[Batch, ...]
  flops: float


def _report(reporter: metrics.History, step: _Step | None) -> None:
  """Fetches and writes the metrics of a step.

  Raises:
    FloatingPointError: one of them is not finite.
  """
  if step is None:
    return
  values = {name: float(x) for name, x in jax.device_get(step.values).items()}
  values["tokens"] = float(sum(np.sum(b.segment_ids >= 0) for b in step.data))
  if not all(map(math.isfinite, values.values())):
    rows = [sorted({*b.row_ids.ravel().tolist()} - {-1}) for b in step.data]
    raise FloatingPointError(
      f"step {step.number} of phase {step.phase!r} is not finite ({values}); "
      f"row_ids of its batches: {rows}: lower --config.train.lr or look at "
      "these rows"
    )
  reporter.write(step.phase, step.number, values, step.flops)
