"""The base model writes its own replay text: answers, and ordinary prose.

A model keeps what it is penalised for losing. Text that the base model itself
writes, in the chat format and outside it, shows what it would say.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from glimo_jax.data import texts
from glimo_jax.data.replay.sources import Document
from glimo_jax.models.tokenizer import Tokenizer

# Source -> pool of prompts, and the temperature at which they are answered.
# Answers are drawn as users draw them; prose from the model as it is, because
# bits per byte are measured on text that is not picked for its likelihood.
_POOLS = {"self:chats": ("chats", 0.7), "self:prose": ("openings", 1.0)}
_CHUNK = 32  # documents written between two visits to the disk


class Writer(Protocol):
  """A sampler: continues token ids by (text, finish reason, tokens)."""

  def continue_ids(
    self,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    seeds: Sequence[int],
  ) -> list[tuple[str, str, int]]: ...


@dataclasses.dataclass(frozen=True)
class SelfWritten:
  """How much the base model writes.

  Attributes:
    source: `self:chats` or `self:prose`.
    documents: how many; at most one for each prompt of the pool.
    tokens: most tokens of an answer or a continuation.
    seed: of the choice of prompts and of the draws.
  """

  source: str
  documents: int
  tokens: int
  seed: int

  def prompts(self) -> list[str]:
    """Different prompts of the pool, in random order."""
    pool = texts.prompts(_POOLS[self.source][0])
    order = np.random.default_rng(self.seed).permutation(len(pool))
    return [pool[i] for i in order[: self.documents]]

  def write(
    self,
    path: pathlib.Path,
    writer: Writer,
    tokenizer: Tokenizer,
    progress: Callable[[int, int], object],
  ) -> None:
    """Writes the documents as JSONL; continues where a killed run stopped.

    The documents depend on the model and the settings only: whole chunks are
    kept, and a chunk that was cut short is written again.

    Args:
      path: of the file; a draft stands beside it until it is complete.
      writer: the base model.
      tokenizer: its tokenizer.
      progress: called with the number of documents written, and of all.
    """
    draft = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = draft.read_bytes().splitlines(True) if draft.exists() else []
    lines = [line for line in lines if line.endswith(b"\n")]
    done = len(lines) // _CHUNK * _CHUNK
    prompts = self.prompts()
    with draft.open("wb") as out:
      out.writelines(lines[:done])
      for begin in range(done, len(prompts), _CHUNK):
        chunk = prompts[begin : begin + _CHUNK]
        seeds = [self.seed * 100_003 + begin + i for i in range(len(chunk))]
        for document in self._continue(chunk, writer, tokenizer, seeds):
          line = json.dumps(document.as_dict(), ensure_ascii=False) + "\n"
          out.write(line.encode())
        out.flush()
        progress(begin + len(chunk), len(prompts))
    draft.replace(path)

  def _continue(
    self,
    prompts: Sequence[str],
    writer: Writer,
    tokenizer: Tokenizer,
    seeds: Sequence[int],
  ) -> list[Document]:
    _, temperature = _POOLS[self.source]
    if self.source == "self:prose":
      ids = [tokenizer.encode_document(prompt) for prompt in prompts]
      written = writer.continue_ids(ids, self.tokens, temperature, seeds)
      pairs = zip(prompts, written, strict=True)
      return [Document(text=prompt + text) for prompt, (text, *_) in pairs]
    turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
    ids = [tokenizer.render_chat(turn, True)[0] for turn in turns]
    written = writer.continue_ids(ids, self.tokens, temperature, seeds)
    return [
      Document(messages=(*turn, {"role": "assistant", "content": text}))
      for turn, (text, *_) in zip(turns, written, strict=True)
    ]
