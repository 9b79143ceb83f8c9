"""Nearest-neighbour indexes with one protocol: exact, and ScaNN."""

import logging
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

Neighbours = tuple[np.ndarray, np.ndarray]  # ids i32[q, k], scores f32[q, k]

_log = logging.getLogger(__name__)

_TREE_FROM = 20_000  # rows; below, brute force is as fast and exact


class Index(Protocol):
  """Nearest neighbours by inner product, built once from its vectors."""

  def search(self, queries: np.ndarray, k: int) -> Neighbours:
    """f32[q, d] -> (ids i32[q, k'], scores f32[q, k']), k' = min(k, n)."""
    ...


@jax.jit
def _scores(queries, vectors, n):
  scores = queries @ vectors.T
  return jnp.where(jnp.arange(len(vectors)) < n, scores, -jnp.inf)


class ExactIndex:
  """All inner products, on the accelerator: exact, everywhere available.

  Args:
    vectors: f32[n, d]; padded to a power of two so that growth recompiles
      rarely.
  """

  def __init__(self, vectors: np.ndarray):
    self._n = len(vectors)
    self._vectors = _padded(np.asarray(vectors, np.float32))

  def search(self, queries: np.ndarray, k: int) -> Neighbours:
    """Row numbers and inner products of the k nearest, best first."""
    k = min(k, self._n)
    if not k or not len(queries):
      return _nothing(len(queries), k)
    scores = _scores(_padded(queries), self._vectors, self._n)
    best, ids = jax.device_get(jax.lax.top_k(scores, k))
    return ids[: len(queries)], best[: len(queries)]


class ScannIndex:
  """ScaNN: brute force below 20k rows, a quantised tree above (Linux only).

  Args:
    vectors: f32[n, d] of unit norm.
    tree_from: rows from which the tree is used.
  """

  def __init__(self, vectors: np.ndarray, tree_from: int = _TREE_FROM):
    self._n = len(vectors)
    if not self._n:
      return  # ScaNN refuses to build on nothing
    import scann

    vectors = np.asarray(vectors, np.float32)
    # ScaNN's annotations say that its builder's methods return str.
    builder: Any = scann.scann_ops_pybind.builder(vectors, 10, "dot_product")
    if self._n >= max(tree_from, 100):
      leaves = int(np.sqrt(self._n))
      builder = builder.tree(
        num_leaves=leaves,
        num_leaves_to_search=max(1, leaves // 5),
        training_sample_size=min(self._n, 250_000),
        spherical=True,  # otherwise it misses whole clusters of unit vectors
      )
      builder = builder.score_ah(2, anisotropic_quantization_threshold=0.2)
      self._searcher = builder.reorder(200).build()
    else:
      self._searcher = builder.score_brute_force().build()

  def search(self, queries: np.ndarray, k: int) -> Neighbours:
    """Row numbers and inner products of the k nearest, best first.

    Where the tree finds fewer than k, ids are padded by -1, scores by -inf.
    """
    k = min(k, self._n)
    if not k or not len(queries):
      return _nothing(len(queries), k)
    ids, scores = self._searcher.search_batched(
      np.asarray(queries, np.float32), final_num_neighbors=k
    )
    ids, found = np.asarray(ids, np.int32), ~np.isnan(scores)
    return np.where(found, ids, -1), np.where(found, scores, -np.inf)


def make_index(vectors: np.ndarray, kind: str = "auto") -> Index:
  """An index over f32[n, d]: "scann", "exact", or "auto".

  "auto" is ScaNN where it can be imported, else exact; the log says so.

  Raises:
    ValueError: an unknown kind.
  """
  if kind == "auto":
    try:
      import scann  # noqa: F401
    # A build for another system fails in its own ways.
    except (ImportError, OSError, AttributeError) as error:
      _log.info("memory is searched exactly, as scann fails: %s", error)
      kind = "exact"
    else:
      kind = "scann"
  if kind not in ("scann", "exact"):
    raise ValueError(f"index {kind!r} must be auto, scann or exact")
  return ScannIndex(vectors) if kind == "scann" else ExactIndex(vectors)


def _padded(x: np.ndarray) -> np.ndarray:
  """Rows of zeros up to a power of two."""
  n = 1 << max(0, len(x) - 1).bit_length()
  return np.pad(np.asarray(x, np.float32), ((0, n - len(x)), (0, 0)))


def _nothing(queries: int, k: int):
  return np.zeros((queries, k), np.int32), np.zeros((queries, k), np.float32)
