"""Work in shares gives what one process makes, each piece done once."""

import dataclasses

import numpy as np
import pytest
import thread_shares

from glimo_jax import mesh
from glimo_jax.agent.served.settings import TeacherConfig


@dataclasses.dataclass
class Result:
  name: str
  scores: np.ndarray


def piece(i):
  scores = np.array([i / 3, -np.inf, np.nan, 1e-45], np.float32)
  return [Result(f"\ud800 {i}", scores), (i, None, True)]


def read(value):
  result, rest = value
  scores = np.asarray(result["scores"], np.float32)
  return [Result(result["name"], scores), tuple(rest)]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 100])
def test_every_process_gets_every_result_and_no_piece_is_done_twice(
  processes, count
):
  """Also with uneven shares, and with more processes than pieces."""

  def work(shares):
    results = [*shares(piece, count, read)]
    return results, shares.tally(), shares.tally(), shares.pieces

  found = thread_shares.run(processes, work)
  if processes > 1:
    done = [i for *_, pieces in found for i in pieces]
    assert sorted(done) == [*range(count)]
  for results, tally, after, _ in found:
    assert after == [0] * processes
    if processes > 1:
      assert tally == [len(pieces) for *_, pieces in found]
      assert max(tally) - min(tally) <= 1
    for i, (result, rest) in enumerate(results):
      assert (result.name, rest) == (f"\ud800 {i}", (i, None, True))
      assert result.scores.tobytes() == piece(i)[0].scores.tobytes()


def test_one_process_does_a_piece_when_its_result_is_asked_for():
  done = []
  shares = mesh.Shares()(lambda i: done.append(i) or i, 3)
  assert next(iter(shares)) == 0
  assert done == [0]


def test_the_first_process_decides_what_all_believe():
  def work(shares):
    return shares.agreed(shares.is_first), shares.agreed(shares.index)

  assert thread_shares.run(3, work) == [(True, 0)] * 3


def test_processes_that_do_other_work_end_instead_of_mixing_results_up():
  def work(shares):
    return [*shares(lambda i: i, 4 + shares.index)]

  with pytest.raises(RuntimeError, match=r"did \[2, 2\] pieces of work, not"):
    thread_shares.run(2, work)


@pytest.mark.parametrize(
  "inner",
  [
    lambda shares, i: shares.agreed(i),
    lambda shares, i: [*shares(lambda j: j, 2)],
  ],
)
def test_a_piece_that_shares_out_work_is_an_error_and_no_endless_wait(inner):
  def work(shares):
    return [*shares(lambda i: inner(shares, i), 2)]

  with pytest.raises(RuntimeError, match="shares out work itself"):
    thread_shares.run(2, work)


def test_processes_together_have_the_budget_and_the_requests_of_one():
  teacher = TeacherConfig(
    "http://127.0.0.1:1/v1", "m", concurrency=16, prices=(1.0, 2.0), budget=9.0
  )
  assert teacher.divided(1) == teacher
  each = teacher.divided(3)
  assert (each.concurrency, each.budget) == (5, 3.0)
  assert teacher.divided(99).concurrency == 1


def test_process_that_is_gone_is_named(monkeypatch):
  def broken(_):
    raise ValueError("UNKNOWN: Gloo AllGather failed: connection closed")

  monkeypatch.setattr(mesh.multihost_utils, "process_allgather", broken)
  shares = mesh.Shares()
  shares.count = 2
  with pytest.raises(ConnectionError, match="probably because one has ended"):
    shares.agreed(True)
