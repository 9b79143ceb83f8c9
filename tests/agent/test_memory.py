"""Indexes agree, filters hold, and saved rows load without an index."""

import importlib.abc
import logging
import sys

import numpy as np
import pytest

from glimo_jax.agent.memory import (
  ExactIndex,
  Memory,
  MemoryRecord,
  ScannIndex,
  make_index,
)

DIM = 16


def unit(rng, n, d=DIM):
  x = rng.normal(size=(n, d)).astype(np.float32)
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def embed(texts):
  """Each word adds its own fixed direction: shared words, near vectors."""
  out = []
  for text in texts:
    seeds = [sum(map(ord, w)) * 7919 + len(w) for w in text.split()]
    v = sum(unit(np.random.default_rng(s), 1)[0] for s in seeds)
    out.append(v / np.linalg.norm(v))
  return np.array(out, np.float32)


def row(i, text, episode="e0", importance=0.0, split="train", answer="up"):
  return MemoryRecord(f"m{i}", text, answer, episode, split, importance, i)


@pytest.mark.parametrize("n", [1, 5, 15, 100, 500])
def test_scann_brute_force_equals_exact(n):
  rng = np.random.default_rng(n)
  vectors, queries = unit(rng, n), unit(rng, 7)
  ids, scores = ExactIndex(vectors).search(queries, 10)
  scann_ids, scann_scores = ScannIndex(vectors).search(queries, 10)
  assert ids.shape == (7, min(10, n))
  np.testing.assert_array_equal(ids, scann_ids)
  np.testing.assert_allclose(scores, scann_scores, atol=1e-5)


def test_exact_search_equals_a_sort_of_all_inner_products():
  rng = np.random.default_rng(0)
  vectors, queries = unit(rng, 130), unit(rng, 3)
  ids, _ = ExactIndex(vectors).search(queries, 5)
  naive = np.argsort(-(queries @ vectors.T), axis=1)[:, :5]
  np.testing.assert_array_equal(ids, naive)


def test_tree_recalls_most_exact_neighbours_and_never_pads_with_row_0():
  rng = np.random.default_rng(1)
  centres = unit(rng, 40, 64)
  vectors = centres[rng.integers(0, 40, 3000)] + 0.3 * unit(rng, 3000, 64)
  vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
  queries = vectors[:50]
  truth, _ = ExactIndex(vectors).search(queries, 10)
  ids, scores = ScannIndex(vectors, tree_from=1000).search(queries, 10)
  found = [len(set(a) & set(b)) / 10 for a, b in zip(truth, ids, strict=True)]
  assert np.mean(found) >= 0.9
  assert not np.isnan(scores).any()
  wide, _ = ScannIndex(vectors, tree_from=1000).search(queries, 2500)
  for line in wide:
    real = line[line >= 0]
    assert len(set(real)) == len(real)


@pytest.mark.parametrize("kind", ["scann", "exact", "auto"])
def test_empty_index_finds_nothing(kind):
  ids, scores = make_index(np.zeros((0, DIM), np.float32), kind).search(
    unit(np.random.default_rng(0), 3), 4
  )
  assert ids.shape == scores.shape == (3, 0)


@pytest.mark.parametrize("error", [OSError, AttributeError, ImportError])
def test_broken_scann_falls_back_to_exact_search(error, monkeypatch, caplog):
  class Broken(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
      if name == "scann":
        raise error("no such symbol")
      return None

  monkeypatch.delitem(sys.modules, "scann", raising=False)
  monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
  monkeypatch.setattr(logging.getLogger("glimo_jax"), "propagate", True)
  with caplog.at_level(logging.INFO, "glimo_jax.agent.index"):
    index = make_index(unit(np.random.default_rng(0), 4))
  assert isinstance(index, ExactIndex)
  assert "no such symbol" in caplog.text


@pytest.mark.parametrize("kind", ["scann", "exact"])
@pytest.mark.parametrize("n", [0, 1, 15, 16])
def test_more_neighbours_than_rows_gives_each_row_once(kind, n):
  rng = np.random.default_rng(n)
  ids, scores = make_index(unit(rng, n), kind).search(unit(rng, 3), 20)
  assert ids.shape == scores.shape == (3, n)
  for line in ids:
    assert sorted(line) == list(range(n))


def test_unknown_index_is_named():
  with pytest.raises(ValueError, match="'faiss' must be auto"):
    make_index(np.zeros((0, DIM), np.float32), "faiss")


def test_nearest_text_comes_first_but_not_from_its_own_episode():
  memory = Memory(embed, weights=(1, 0, 0))
  memory.add(
    [
      row(0, "tree left axe right", "e0"),
      row(1, "tree left axe up", "e1"),
      row(2, "goal down", "e2"),
    ]
  )
  (own,) = memory.search(["tree left axe right"], 2, ["e0"])
  assert [r.id for r in own] == ["m1", "m2"]
  (other,) = memory.search(["tree left axe right"], 2, ["e9"])
  assert [r.id for r in other] == ["m0", "m1"]


def test_filters_widen_the_search_until_enough_rows_pass():
  memory = Memory(embed, weights=(1, 0, 0))
  near = [row(i, f"tree axe {i}", "crowd") for i in range(300)]
  memory.add([*near, row(300, "quite unlike", "far")])
  (found,) = memory.search(["tree axe"], 1, ["crowd"])
  assert [r.id for r in found] == ["m300"]
  (odd,) = memory.search(
    ["tree axe"], 3, ["x"], filters=[lambda q, r: r.time % 2 == 1]
  )
  assert len(odd) == 3
  assert all(r.time % 2 for r in odd)


def test_importance_and_recency_are_weighted():
  rows = [
    row(0, "tree left", "a", importance=5.0),
    row(1, "tree left", "b", importance=1.0),
    row(2, "tree left", "c", importance=0.0),
  ]
  first = {}
  for weights in [(0, 1, 0), (0, 0, 1)]:
    memory = Memory(embed, weights=weights)
    memory.add(rows)
    first[weights] = memory.search(["tree left"], 1, ["x"])[0][0].id
  assert first == {(0, 1, 0): "m0", (0, 0, 1): "m2"}


def test_diversity_prefers_a_different_row_to_a_duplicate():
  rows = [
    row(0, "tree left axe", "a"),
    row(1, "tree left axe", "b"),
    row(2, "tree left river", "c"),
  ]
  plain, diverse = (
    Memory(embed, weights=(1, 0, 0), diversity=d) for d in (0.0, 0.9)
  )
  plain.add(rows)
  diverse.add(rows)
  asked = (["tree left axe"], 2, ["x"])
  assert [r.id for r in plain.search(*asked)[0]] == ["m0", "m1"]
  assert [r.id for r in diverse.search(*asked)[0]] == ["m0", "m2"]


@pytest.mark.parametrize("split", ["val", "test", "ood-chain"])
def test_rows_of_evaluation_splits_are_refused(split):
  memory = Memory(embed)
  with pytest.raises(ValueError, match=split):
    memory.add([row(0, "tree", split=split)])
  assert len(memory) == 0


def test_known_ids_are_excluded_and_an_empty_memory_finds_nothing():
  memory = Memory(embed)
  assert memory.search(["tree"], 3, ["x"]) == [[]]
  memory.add([row(0, "tree"), row(0, "tree")])
  memory.add([row(0, "tree")])
  assert len(memory) == 1


def test_saved_rows_are_found_again_without_embedding(tmp_path):
  memory = Memory(embed)
  memory.add([row(i, f"tree {w}", f"e{i}") for i, w in enumerate("abcd")])
  memory.save(tmp_path)

  def only_queries(texts):
    assert texts == ["tree b"]
    return embed(texts)

  again = Memory(only_queries).load(tmp_path)
  assert again.rows == memory.rows
  asked = (["tree b"], 4, ["x"])
  assert again.search(*asked) == memory.search(*asked)


def test_memory_of_another_embedder_is_refused(tmp_path):
  memory = Memory(embed, "package:small")
  memory.add([row(0, "tree")])
  memory.save(tmp_path)
  for same in ("package:small", ""):
    assert len(Memory(embed, same).load(tmp_path)) == 1
  with pytest.raises(ValueError, match=r"by package:small, not by org/large"):
    Memory(embed, "org/large").load(tmp_path)


def test_missing_memory_names_its_stage(tmp_path):
  with pytest.raises(FileNotFoundError, match="annotate"):
    Memory(embed).load(tmp_path)
