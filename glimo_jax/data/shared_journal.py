"""Several processes draft the rows of one dataset, each with its own journal.

    journal.jsonl        all answers before this start, and all at the end
    journal-0.jsonl ...  what process 0, 1, ... has written since this start

The first process merges them by key. A restart, with any number of processes,
loses no written answer and asks for none of them again. After a kill, answers
that were not written yet are asked for again.
"""

import contextlib
import itertools
import pathlib
import zlib
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from glimo_jax.agent import llm
from glimo_jax.agent.llm import Answers, Completion, LanguageModel, Request
from glimo_jax.data.journal import Journal, JournaledLM, completion_of
from glimo_jax.mesh import Shares
from glimo_jax.types import Message

_NAME = "journal.jsonl"
_WAVE = 16_384  # requests answered between two exchanges of answers
_AT_ONCE = 1024  # records merged between two writes


@contextlib.contextmanager
def kept(
  lm: LanguageModel, version: str, folder: pathlib.Path, shares: Shares
) -> Iterator[LanguageModel]:
  """The language model, with all its answers kept in journals of a folder.

  With several processes each sends its share of the requests to the server.
  With a local model the sampler splits the batches among them.

  Args:
    lm: the language model.
    version: version of the prompts.
    folder: of the journals, the same for all processes.
    shares: the processes, which all open it together.

  Raises:
    ValueError: a journal is damaged.
  """
  with opened(folder, shares) as journal:
    journaled = JournaledLM(lm, journal, version)
    served = isinstance(lm, llm.Streams) and shares.count > 1
    yield SharedLM(journaled, shares) if served else journaled


@contextlib.contextmanager
def opened(folder: pathlib.Path, shares: Shares) -> Iterator[Journal]:
  """The journal that this process writes; it knows all earlier answers.

  One process alone writes `journal.jsonl`.

  Args:
    folder: of the journals, the same for all processes.
    shares: the processes.

  Raises:
    ValueError: a journal is damaged.
  """
  if shares.is_first:
    merge(folder)
    if shares.count > 1:
      Journal(folder / _NAME).close()  # made, and without a torn last line
  shares.agreed(True)  # the others wait for the merged one
  if shares.count == 1:
    with Journal(folder / _NAME) as journal:
      yield journal
    return
  own = folder / f"journal-{shares.index}.jsonl"
  with Journal(folder / _NAME) as earlier, Journal(own, earlier) as journal:
    yield journal
  shares.gather(True)  # the first waits for all
  if shares.is_first:
    merge(folder)


def merge(folder: pathlib.Path) -> None:
  """Moves the answers of all processes into `journal.jsonl`.

  Killed halfway, it goes on at the next start.
  """
  parts = sorted(folder.glob("journal-*.jsonl"))
  if not parts:
    return
  with Journal(folder / _NAME) as whole:
    for path in parts:
      with Journal(path) as part:
        for number, (name, record) in enumerate(part.records(), 1):
          whole.put(name, record)
          if number % _AT_ONCE == 0:
            whole.write()
  for path in parts:  # now that the whole one is on the disk
    path.unlink()


class SharedLM:
  """A language model that each process asks for its share of the requests.

  All processes make the same requests, and get all answers. A hash of the
  request decides which process sends it. So one process sends all equal
  requests, and numbers them as a single one would. Answers come in waves: those
  of a wave are verified when all processes have theirs.

  Args:
    lm: the model with this process's journal.
    shares: the processes.
  """

  def __init__(self, lm: JournaledLM, shares: Shares):
    self.lm, self.name, self._shares = lm, lm.name, shares

  def generate(self, requests: Sequence[Request]) -> list[Completion]:
    """One completion for each request, in order."""
    found = dict(itertools.chain(*self.stream(deque(requests))))
    return [found[i] for i in range(len(requests))]

  def stream(self, requests: deque[Request]) -> Iterator[Answers]:
    """Yields the answers to what waits, in order; see `llm.Streams`."""
    taken = 0
    while requests:
      wave = [requests.popleft() for _ in range(min(_WAVE, len(requests)))]
      own = [i for i, r in enumerate(wave) if self._is_own(r)]
      answers = self.lm.stream(deque(wave[i] for i in own))
      parts = self._shares.gather(
        [(own[i], {"completion": vars(c)}) for some in answers for i, c in some]
      )
      found = dict(itertools.chain(*parts))
      yield [(taken + i, completion_of(found[i])) for i in range(len(wave))]
      taken += len(wave)

  def loglik(
    self,
    prompts: Sequence[tuple[Message, ...]],
    continuations: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """From the model, without the journal."""
    return self.lm.loglik(prompts, continuations)

  def _is_own(self, request: Request) -> bool:
    content = repr((request.seed, request.messages[-1]["content"]))
    digest = zlib.crc32(content.encode("utf-8", "surrogatepass"))
    return digest % self._shares.count == self._shares.index
