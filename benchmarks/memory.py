"""How many of the nearest memories ScaNN finds, and how fast.

  python -m benchmarks.memory [--sizes 1000 10000 100000] [--json=FILE]

`recall_at_10` is the share of the ten nearest rows by exact search that the
index of `Memory` finds, by number of rows. Rows are unit vectors of 384
numbers, as all-MiniLM-L6-v2 gives them, around sqrt(n) random centres (cosine
of about .7 to their centre); queries are drawn the same way. They are not
embeddings of texts.
"""

import dataclasses
import time

import numpy as np

from benchmarks import common
from glimo_jax.agent.index import ExactIndex, ScannIndex

DIM, QUERIES, K = 384, 512, 10


@dataclasses.dataclass(frozen=True)
class Row:
  """One index: recall of the ten nearest, s to build, ms a query."""

  index: str
  n: int
  recall: float
  build_s: float
  query_ms: float


def vectors(rng: np.random.Generator, centres: np.ndarray, n: int):
  """f32[n, DIM]: unit vectors around random ones of the centres."""
  chosen = centres[rng.integers(0, len(centres), n)]
  return _unit(chosen + _unit(rng.normal(size=(n, DIM))))


def measure(n: int) -> list[Row]:
  """Both indexes over the same n rows, asked in one batch."""
  rng = np.random.default_rng(n)
  centres = _unit(rng.normal(size=(int(np.sqrt(n)), DIM)))
  rows, queries = vectors(rng, centres, n), vectors(rng, centres, QUERIES)
  found, out = {}, []
  for kind in (ExactIndex, ScannIndex):
    start = time.perf_counter()
    index = kind(rows)
    index.search(queries, K)  # compiles
    built = time.perf_counter() - start
    seconds = common.median_seconds({"": lambda i=index: i.search(queries, K)})
    found[kind], _ = index.search(queries, K)
    pairs = zip(found[ExactIndex], found[kind], strict=True)
    out.append(
      Row(
        kind.__name__,
        n,
        float(np.mean([len({*a} & {*b}) / K for a, b in pairs])),
        round(built, 2),
        round(1000 * seconds[""] / QUERIES, 3),
      )
    )
  return out


def _unit(x: np.ndarray) -> np.ndarray:
  return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def main() -> None:
  """Prints a row for each index and size."""
  flags = common.parser(__doc__)
  flags.add_argument(
    "--sizes", nargs="+", type=int, default=[1000, 10_000, 100_000]
  )
  args = flags.parse_args()
  print(
    "| index | rows | recall@10 | build, s | query, ms |\n" + "|---" * 5 + "|"
  )
  rows = []
  for size in args.sizes:
    for row in measure(size):
      rows.append(row)
      print(
        f"| {row.index} | {row.n:,} | {row.recall:.3f} | {row.build_s} | "
        f"{row.query_ms} |",
        flush=True,
      )
  recall = {
    f"recall_at_10_n{row.n}": row.recall
    for row in rows
    if row.index == ScannIndex.__name__
  }
  print("\n".join(f"{name}: {value:.3f}" for name, value in recall.items()))
  common.report(rows, recall, args.json)


if __name__ == "__main__":
  main()
