"""The training run: stages in order, metrics, checkpoints, resuming.

The KL's reference is the base model in every stage: whatever a stage has
learned lies in the adapter, and the base params never change.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from glimo_jax.models import decoder, lora
from glimo_jax.train import checkpoint, metrics
from glimo_jax.train import step as step_lib
from glimo_jax.train.lower import LowerStates
from glimo_jax.train.step import TrainConfig
from glimo_jax.types import BatchIterator

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Stage:
  """A part of the run: its own data, warmup, cosine and fresh moments."""

  name: str
  iterator: BatchIterator
  steps: int


def learning_rates(config: TrainConfig, stages: Sequence[Stage]) -> np.ndarray:
  """f32[total steps]: linear rise, then half a cosine to 0, in each stage."""
  parts = []
  for stage in stages:
    if stage.steps <= config.warmup:
      raise ValueError(
        f"stage {stage.name!r} has {stage.steps} steps, warmup takes "
        f"{config.warmup}: raise its steps or lower --config.train.warmup"
      )
    rise = np.arange(1, config.warmup + 1) / max(config.warmup, 1)
    fall = np.linspace(0, np.pi, stage.steps - config.warmup, endpoint=False)
    parts += [rise, 0.5 * (1 + np.cos(fall))]
  return np.float32(config.lr * np.concatenate(parts))


def train(
  config: TrainConfig,
  decoder_config: decoder.DecoderConfig,
  params: PyTree,
  adapter: lora.Adapter,
  stages: Sequence[Stage],
  mesh: Mesh,
  workdir,
  log: Callable[[str], None] = print,
) -> tuple[lora.Adapter, list[dict[str, Any]]]:
  """Trains through all stages; goes on where an earlier call was stopped.

  Args:
    config: how to train.
    decoder_config: sizes of the model.
    params: base weights; the reference of the KL in every stage.
    adapter: where to start from.
    stages: run in order.
    mesh: devices.
    workdir: checkpoints and metrics.jsonl; a finished run returns at once.
    log: takes a line of progress where there is no terminal.

  Returns:
    The trained adapter and the metrics of each step.

  Raises:
    FloatingPointError: a number that is not finite; names step and rows.
    ValueError: bad settings, or a workdir made with others.
  """
  rates = learning_rates(config, stages)
  ends = list(itertools.accumulate(stage.steps for stage in stages))
  workdir = pathlib.Path(workdir)
  state = step_lib.init_state(config, adapter, mesh)
  saver = checkpoint.Checkpointer(
    workdir / "checkpoints",
    fingerprint(config, decoder_config, adapter, stages),
  )
  restored = saver.restore(state)
  if restored is not None:
    state, position = restored
  step = int(state.step)
  if step == ends[-1]:
    saver.close()
    return state.adapter, metrics.read(workdir)
  if step:
    for stage, saved in zip(stages, position["data"], strict=True):
      stage.iterator.set_state(saved)
    log(f"training goes on at step {step} of {ends[-1]}")
  params = step_lib.place_params(params, decoder_config, mesh)
  train_step = step_lib.make_step(config, decoder_config, mesh)
  lower = LowerStates(
    decoder_config, params, adapter.first_layer, config.keep_gib
  )
  reporter = metrics.Reporter(
    workdir, step, ends[-1], config.log_every, log, config.tensorboard
  )
  try:
    pending = None
    for stage, end in zip(stages, ends, strict=True):
      if step == end - stage.steps and step:
        fresh = step_lib.init_state(config, state.adapter, mesh)
        state = state.replace(opt_state=fresh.opt_state)
      while step < end:
        data = next(stage.iterator)
        batches, terms = step_lib.place_batches(data, config, mesh)
        batches = lower(batches)
        state, told = train_step(state, params, batches, rates[step], terms)
        step += 1
        # One step late: the device is already at work on the next.
        _report(reporter, pending)
        pending = (stage.name, step, told, data)
        if step % config.checkpoint_every == 0 or step == end:
          _report(reporter, pending)
          pending = None
          positions = [s.iterator.get_state() for s in stages]
          saver.save(state, {"stage": stage.name, "data": positions})
  finally:
    reporter.close()
    saver.close()
  return state.adapter, reporter.history


def fingerprint(config, decoder_config, adapter, stages) -> dict[str, Any]:
  """The settings that a resumed run must share."""
  settings = dataclasses.asdict(config)
  for name in ("checkpoint_every", "log_every", "tensorboard"):
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
    "stages": {stage.name: stage.steps for stage in stages},
  }


def _report(reporter: metrics.Reporter, pending) -> None:
  """Fetches a step's metrics, tells them, and stops at what is not finite."""
  if pending is None:
    return
  stage, step, told, data = pending
  values = {name: float(x) for name, x in jax.device_get(told).items()}
  values["tokens"] = float(sum(np.sum(b.segment_ids >= 0) for b in data))
  if not metrics.finite(values):
    rows = [sorted({*b.row_ids.ravel().tolist()} - {-1}) for b in data]
    raise FloatingPointError(
      f"step {step} of stage {stage!r} is not finite ({values}); row_ids of "
      f"its batches: {rows}: lower --config.train.lr or look at "
      "these rows"
    )
  reporter.write(stage, step, values)
