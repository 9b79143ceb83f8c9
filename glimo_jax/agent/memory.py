"""Memory of verified experience, searched by meaning, importance and age.

Records are kept as Parquet and .npy; the index is rebuilt from them. Scores
follow Park et al. 2023, "Generative Agents", section 4.1
(https://arxiv.org/abs/2304.03442), with recency off by default.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glimo_jax.agent.index import (
  ExactIndex,
  Index,
  ScannIndex,
  make_index,
)
from glimo_jax.types import InShares, alone

__all__ = [
  "ExactIndex", "Filter", "Index", "Memory", "MemoryRecord", "ScannIndex",
  "make_index",
]  # fmt: skip

_EMBEDDER = "embedder"  # key in the file's metadata
_CANDIDATES = 64  # least number of nearest rows that are scored

Filter = Callable[[int, "MemoryRecord"], bool]  # (query's number, row) -> keep?


@dataclasses.dataclass(frozen=True)
class MemoryRecord:
  """One verified memory.

  Attributes:
    id: unique name.
    text: the situation in words, which is searched.
    answer: the verified answer.
    episode: episode it comes from.
    split: level pool it comes from; only `train` is accepted.
    importance: its surprise, in nats.
    time: running number.
    kind: of the task that it answers; "" where the file does not tell.
  """

  id: str
  text: str
  answer: str
  episode: str
  split: str
  importance: float
  time: int
  kind: str = ""


class Memory:
  """Verified records with embeddings; none is ever edited or removed.

  A row's score for a query is the weighted sum of relevance (cosine),
  importance and recency, each min-max normalised over the candidates: the
  nearest max(64, 8 k) rows that pass the filters.

  Args:
    embed: texts -> f32[n, d] of unit norm.
    embedder: name of what embeds; a memory that another one has embedded is
      refused. "": unknown.
    index: see `make_index`.
    weights: of relevance, importance and recency.
    diversity: 0 for the best k; else the share of maximal marginal relevance
      (Carbonell & Goldstein 1998) that rewards difference from those chosen.
    in_shares: lets one of several processes, which all search alike, search for
      all.
  """

  def __init__(
    self,
    embed: Callable[[list[str]], np.ndarray],
    embedder: str = "",
    index: str = "auto",
    weights: tuple[float, float, float] = (1.0, 1.0, 0.0),
    diversity: float = 0.0,
    in_shares: InShares = alone,
  ):
    if not 0 <= diversity < 1:
      raise ValueError(f"diversity {diversity} must lie in [0, 1)")
    self.rows: list[MemoryRecord] = []
    self._embed, self._kind, self._embedder = embed, index, embedder
    self._weights, self._diversity = np.asarray(weights), diversity
    self._in_shares = in_shares
    self._ids: set[str] = set()
    self._vectors = np.zeros((0, 0), np.float32)
    self._index: Index | None = None

  def __len__(self) -> int:
    return len(self.rows)

  def add(self, rows: Sequence[MemoryRecord]) -> None:
    """Appends records whose id is new.

    Raises:
      ValueError: a row of an evaluation split.
    """
    for row in rows:
      if row.split != "train":
        raise ValueError(
          f"memory {row.id} is of split {row.split!r}: memories come from "
          "`train` only, since evaluation must be unseen"
        )
    fresh = {r.id: r for r in rows if r.id not in self._ids}
    if fresh:
      vectors = np.asarray(self._embed([r.text for r in fresh.values()]))
      self._extend(list(fresh.values()), vectors)

  def search(
    self,
    texts: Sequence[str],
    k: int,
    episodes: Sequence[str],
    filters: Sequence[Filter] = (),
  ) -> list[list[MemoryRecord]]:
    """The k best rows for each text, never of the text's own episode.

    Args:
      texts: what to look for.
      k: rows wanted for each; fewer come back where fewer pass.
      episodes: episode of each text.
      filters: further conditions that a row must pass.
    """
    if not self.rows or not texts or k < 1:
      return [[] for _ in texts]
    # An approximate index may find other rows in another process.
    (found,) = self._in_shares(
      lambda _: self._search(texts, k, episodes, filters), 1
    )
    return [[self.rows[i] for i in some] for some in found]

  def _search(
    self,
    texts: Sequence[str],
    k: int,
    episodes: Sequence[str],
    filters: Sequence[Filter],
  ) -> list[list[int]]:
    """The numbers of the rows that `search` returns."""
    if self._index is None:
      self._index = make_index(self._vectors, self._kind)
    queries = np.asarray(self._embed(list(texts)), np.float32)
    out: dict[int, list[int]] = {}
    wanted = max(_CANDIDATES, 8 * k)
    left = list(range(len(texts)))
    while left:  # widen until k rows pass or all were seen
      ids, relevance = self._index.search(queries[left], wanted)
      short = []
      for q, near, cosine in zip(left, ids, relevance, strict=True):
        keep = [
          j
          for j, i in enumerate(near)
          if i >= 0
          and self.rows[i].episode != episodes[q]
          and all(f(q, self.rows[i]) for f in filters)
        ]
        if len(keep) < k and wanted < len(self.rows):
          short.append(q)
        else:
          out[q] = self._best(near[keep], cosine[keep], k)
      left, wanted = short, wanted * 8
    return [out[q] for q in range(len(texts))]

  def save(self, folder: str | pathlib.Path) -> None:
    """Writes rows.parquet and vectors.npy."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fields = [f.name for f in dataclasses.fields(MemoryRecord)]
    table = {f: [getattr(r, f) for r in self.rows] for f in fields}
    meta = {_EMBEDDER: self._embedder}
    pq.write_table(pa.table(table, metadata=meta), folder / "rows.parquet")
    np.save(folder / "vectors.npy", self._vectors, allow_pickle=False)

  def load(self, folder: str | pathlib.Path) -> "Memory":
    """Reads what `save` wrote into this empty memory, without embedding.

    Raises:
      FileNotFoundError: nothing is there.
      ValueError: this memory is not empty, the files do not fit each other, or
        another embedder made the vectors.
    """
    folder = pathlib.Path(folder)
    if self.rows:
      raise ValueError(f"{len(self)} rows are here: load into an empty Memory")
    if not (folder / "rows.parquet").exists():
      raise FileNotFoundError(
        f"no memory in {folder}: the annotate stage writes it there"
      )
    table = pq.read_table(folder / "rows.parquet")
    rows, meta = table.to_pylist(), table.schema.metadata or {}
    embedder = meta.get(_EMBEDDER.encode(), b"").decode()
    if embedder and self._embedder and embedder != self._embedder:
      raise ValueError(
        f"{folder} was embedded by {embedder}, not by {self._embedder}: set "
        f"model.embedder to {embedder}, or run the annotate stage again"
      )
    vectors = np.load(folder / "vectors.npy", allow_pickle=False)
    if len(rows) != len(vectors):
      raise ValueError(
        f"{folder} has {len(rows)} rows but {len(vectors)} vectors: remove it "
        "and run the annotate stage again"
      )
    if rows:
      self._extend([MemoryRecord(**row) for row in rows], vectors)
    return self

  def _extend(self, rows: list[MemoryRecord], vectors: np.ndarray) -> None:
    self.rows += rows
    self._ids.update(r.id for r in rows)
    old = [self._vectors] if len(self._vectors) else []
    self._vectors = np.concatenate([*old, vectors.astype(np.float32)])
    self._index = None

  def _best(self, ids: np.ndarray, relevance: np.ndarray, k: int) -> list[int]:
    """The k best of the candidates by weighted score, one after the other."""
    parts = [
      relevance,
      np.array([self.rows[i].importance for i in ids]),
      np.array([self.rows[i].time for i in ids], np.float64),
    ]
    score = self._weights @ np.stack([_normalised(p) for p in parts])
    chosen: list[int] = []
    alike = np.zeros(len(ids))
    vectors = self._vectors[ids]
    for _ in range(min(k, len(ids))):
      gain = (1 - self._diversity) * score - self._diversity * alike
      gain[chosen] = -np.inf
      best = int(np.argmax(gain))
      chosen.append(best)
      alike = np.maximum(alike, vectors @ vectors[best])
    return [int(ids[j]) for j in chosen]


def _normalised(x: np.ndarray) -> np.ndarray:
  """Min-max to [0, 1]; 0 where all are equal."""
  if not len(x) or x.max() == x.min():
    return np.zeros(len(x))
  return (x - x.min()) / (x.max() - x.min())
