"""What a train step takes on each device, for models of 1B to 8B parameters.

  python -m benchmarks.device_memory [--sizes 1b 3b 8b] [--fsdp 1 8 16]
    [--rows=1] [--length=2048] [--dtype=bfloat16] [--json=FILE]

Compiles the step (LoRA of rank 16 on all linear maps of all layers, CE and KL
on a quarter of the tokens, remat) for as many devices, each with `rows` rows,
on one CPU and without any array. The figures are those of XLA's CPU backend,
which widens each layer and the output matrix to float32 before it multiplies: a
GPU needs less. A compilation takes about a minute.
"""

import dataclasses
import os

MOST = 16  # devices
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "")
  + f" --xla_force_host_platform_device_count={MOST}"
)
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402 (after the flags)
import numpy as np  # noqa: E402
from jax.sharding import Mesh  # noqa: E402

from benchmarks import common  # noqa: E402
from benchmarks.sizes import SIZES  # noqa: E402
from glimo_jax import mesh as mesh_lib  # noqa: E402
from glimo_jax.models.lora import LoraConfig  # noqa: E402
from glimo_jax.train import planning  # noqa: E402
from glimo_jax.train.step import StepConfig  # noqa: E402

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Row:
  """Memory of one device.

  Attributes:
    size: of the model.
    fsdp: devices.
    held: GiB of base, adapter, moments and batch.
    temporary: GiB that a step needs beside them.
  """

  size: str
  fsdp: int
  held: float
  temporary: float


def measure(size: str, fsdp: int, rows: int, length: int, dtype: str) -> Row:
  """Compiles the step of one model on `fsdp` devices."""
  devices = np.asarray(jax.devices()[:fsdp]).reshape(1, fsdp, 1)
  memory = planning.compiled_step(
    StepConfig(kl_tokens="completion"),
    SIZES[size],
    LoraConfig(rank=16, first_layer=0),
    Mesh(devices, mesh_lib.AXES),
    rows=rows * fsdp,
    length=length,
    scored=length // 4,
    dtype=dtype,
  ).memory_analysis()
  return Row(
    size,
    fsdp,
    round(memory.argument_size_in_bytes / GIB, 2),
    round(memory.temp_size_in_bytes / GIB, 2),
  )


def main() -> None:
  """Prints a row for each size and number of devices."""
  flags = common.parser(__doc__)
  flags.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
  flags.add_argument("--fsdp", nargs="+", type=int, default=[1, 8, 16])
  flags.add_argument("--rows", type=int, default=1)
  flags.add_argument("--length", type=int, default=2048)
  flags.add_argument("--dtype", default="bfloat16")
  args = flags.parse_args()
  if max(args.fsdp) > MOST:
    flags.error(f"--fsdp {max(args.fsdp)} must be at most {MOST}: lower it")
  print("| model | fsdp | held, GiB | temporary, GiB |\n|---|---|---|---|")
  rows = []
  for size in args.sizes:
    for fsdp in args.fsdp:
      row = measure(size, fsdp, args.rows, args.length, args.dtype)
      print(f"| {size} | {fsdp} | {row.held} | {row.temporary} |", flush=True)
      rows.append(row)
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()
