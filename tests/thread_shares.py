"""Threads that stand for the processes of a run, without jax.distributed."""

import json
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from glimo_jax import mesh

T = TypeVar("T")


class ThreadShares(mesh.Shares):
  """One of several threads; values go from one to another as JSON.

  Args:
    index: number of the thread.
    board: a place for the value of each thread.
    barrier: where the threads wait for each other.

  Attributes:
    pieces: numbers of the pieces that the thread has done.
  """

  def __init__(self, index: int, board: list[str], barrier: threading.Barrier):
    super().__init__()
    self.index, self.count = index, len(board)
    self._board, self._barrier = board, barrier
    self.pieces: list[int] = []

  def _do(self, work: Callable[[int], T], pieces: range) -> list[T]:
    self.pieces += pieces
    return super()._do(work, pieces)

  def _gathered(self, value: Any) -> list[Any]:
    self._board[self.index] = json.dumps(value, default=mesh.plain)
    self._barrier.wait(60)
    values = [json.loads(text) for text in self._board]
    self._barrier.wait(60)
    return values


def run(count: int, work: Callable[[ThreadShares], T]) -> list[T]:
  """What `work` returns in each of `count` threads that share their work.

  An error of one breaks the others, and is raised.
  """
  board, barrier = [""] * count, threading.Barrier(count)

  def one(index: int) -> T:
    try:
      return work(ThreadShares(index, board, barrier))
    except BaseException:
      barrier.abort()
      raise

  with futures.ThreadPoolExecutor(count) as pool:
    running = [pool.submit(one, i) for i in range(count)]
  errors = [e for f in running if (e := f.exception()) is not None]
  for error in errors:
    if not isinstance(error, threading.BrokenBarrierError):
      raise error
  return [f.result() for f in running]
