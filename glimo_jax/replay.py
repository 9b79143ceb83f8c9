"""The replay text of a run, and the KL on it that its budgets allow."""

import functools
import math
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax import files
from glimo_jax import mesh as mesh_lib
from glimo_jax.config import TrainConfig
from glimo_jax.data import replay, texts
from glimo_jax.data.batching import replay_text
from glimo_jax.data.batching.replay_text import ReplayPool
from glimo_jax.evaluate import language
from glimo_jax.models.sampler import Sampler
from glimo_jax.models.tokenizer import Tokenizer
from glimo_jax.progress import Progress

_MEASURED = 4096  # tokens of replay text that tell the base's cross-entropy


class Replay:
  """What the KL penalty is computed on; nothing where there is no KL on it.

  Args:
    config: of the training.
    steps: of the whole training, with its on-policy rounds.
    folder: of its files.
    tokenizer: of the base model.
    sampler: makes the base model, which writes and measures in the first
      process, without the others.
  """

  def __init__(
    self,
    config: TrainConfig,
    steps: int,
    folder: pathlib.Path,
    tokenizer: Tokenizer,
    sampler: Callable[[], Sampler],
  ):
    self._config, self._folder, self._sampler = config, folder, sampler
    self._tokenizer = tokenizer
    self._rows = steps * config.replay_batch
    self._sources = config.replay if config.replays else ()

  @functools.cached_property
  def pools(self) -> list[ReplayPool]:
    """The text in tokens; it is written or read where it is not there yet."""
    if not self._sources:
      return []
    if not mesh_lib.is_first():  # the first process writes
      for source in self._sources:
        files.wait_for(replay.file_of(self._folder, self._sources, source))
    length = self._config.replay_length
    passages = language.passages(texts.held_out().values())
    documents = replay.prepare(
      self._sources, self._folder, self._sampler, self._tokenizer,
      rows=self._rows, length=length, seed=self._config.seed,
      shares=lambda text: language.shares(text, passages), progress=Progress,
    )  # fmt: skip
    return [
      pool
      for source in self._sources
      for pool in replay_text.encode(
        source.source, source.weight, documents[source.source],
        self._tokenizer, length,
      )
    ]  # fmt: skip

  def digests(self) -> dict[str, str]:
    """SHA-256 of the text of each source."""
    return {
      f"replay {source.source}": texts.digest(
        replay.file_of(self._folder, self._sources, source).read_text()
      )
      for source in self._sources
    }

  def budgets(self) -> dict[str, float]:
    """The KL that the retention budgets allow, by term; nats per token.

    Only in the first process: `trainer.train` tells the others.

    Raises:
      ValueError: the replay text lacks what a budget is held on.
    """
    limits, out = self._config.limits, {}
    if "max_chat_kl" in limits:
      self._of("max_chat_kl", chat=True)
      out["chat"] = limits["max_chat_kl"]
    if "max_bits_increase" in limits:
      # On text of the base model itself its cross-entropy rises by the KL.
      nats = self._nats(self._of("max_bits_increase", chat=False))
      out["text"] = limits["max_bits_increase"] * nats
    return out

  def _of(self, limit: str, chat: bool) -> list[ReplayPool]:
    """The pools of chats, or of texts, on which a budget is held."""
    pools = [pool for pool in self.pools if pool.chat == chat]
    if not pools:
      needed = "chats" if chat else "text"
      raise ValueError(
        f"train.{limit} {self._config.limits[limit]} needs {needed} in "
        f"train.replay: add the source self:{'chats' if chat else 'prose'}"
      )
    return pools

  def _nats(self, pools: Sequence[ReplayPool]) -> float:
    """Nats per token that the base model needs for replayed text."""
    if not mesh_lib.is_first():
      return math.inf
    ids = np.concatenate([piece.ids for p in pools for piece in p.documents])
    logprobs = self._sampler().token_logprobs(ids[:_MEASURED].tolist())
    return -float(logprobs.mean())
