"""Text <-> token ids, and chats <-> ids with a loss mask (ChatML)."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from glimo_jax.types import Message

START, END = "<|im_start|>", "<|im_end|>"
SEPARATOR = "<|endoftext|>"
ROLES = ("system", "user", "assistant")

# GGUF token types (llama.cpp `llama_token_type`) that are never text.
_CONTROL, _USER_DEFINED = 3, 4


class Tokenizer:
  """A byte-level BPE tokenizer with the ChatML chat format.

  Attributes:
    vocab_size: number of ids.
    end_of_turn: id of the token that ends a turn.
    end_of_text: id of the token between documents.
  """

  def __init__(self, backend: tokenizers.Tokenizer):
    self._backend = backend
    # A copy without special tokens encodes the content of messages: what a
    # user writes can never end a turn.
    self._plain = tokenizers.Tokenizer.from_str(backend.to_str())
    self._plain.encode_special_tokens = True
    self.vocab_size: int = backend.get_vocab_size(with_added_tokens=True)
    start, end = backend.token_to_id(START), backend.token_to_id(END)
    if start is None or end is None:
      raise ValueError(
        f"the tokenizer lacks {START} or {END}: only ChatML models are "
        "supported"
      )
    self._start, self.end_of_turn = start, end
    separator = backend.token_to_id(SEPARATOR)
    self.end_of_text: int = end if separator is None else separator

  @classmethod
  def from_gguf(
    cls,
    meta: Mapping[str, Any],
    known: Mapping[str, Sequence[pre_tokenizers.PreTokenizer]],
  ) -> "Tokenizer":
    """Rebuilds the tokenizer from GGUF metadata.

    Args:
      meta: of the GGUF.
      known: `tokenizer.ggml.pre` -> the pre-tokenizers it stands for.

    Raises:
      ValueError: a tokenizer of another kind.
    """
    kind = meta.get("tokenizer.ggml.model")
    pre = meta.get("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2" or pre not in known:
      raise ValueError(
        f"GGUF tokenizer {kind!r}/{pre!r} is not supported: known are gpt2 "
        f"with {sorted(known)}"
      )
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    vocab = {token: i for i, token in enumerate(tokens)}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
      [*known[pre], pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    types = meta["tokenizer.ggml.token_type"]
    backend.add_special_tokens(
      [
        tokenizers.AddedToken(token, special=True, normalized=False)
        for token, kind in zip(tokens, types, strict=True)
        if kind in (_CONTROL, _USER_DEFINED)
      ]
    )
    return cls(backend)

  @classmethod
  def from_folder(cls, folder: pathlib.Path) -> "Tokenizer":
    """Reads a folder's tokenizer.json."""
    path = folder / "tokenizer.json"
    if not path.is_file():
      raise FileNotFoundError(f"{path} is missing: download it with the model")
    return cls(tokenizers.Tokenizer.from_file(str(path)))

  def save(self, path: pathlib.Path) -> None:
    """Writes a tokenizer.json that `from_folder` and transformers read."""
    self._backend.save(str(path))

  def encode(self, text: str) -> list[int]:
    """Ids of `text`; special tokens in it become their single ids."""
    return self._backend.encode(text, add_special_tokens=False).ids

  def encode_plain(self, text: str) -> list[int]:
    """Ids of `text` as plain characters, never as special tokens."""
    return self._plain.encode(text, add_special_tokens=False).ids

  def decode(self, ids: Sequence[int]) -> str:
    """Text of `ids`, special tokens included."""
    return self._backend.decode(list(ids), skip_special_tokens=False)

  @functools.cached_property
  def newline(self) -> list[int]:
    """Ids of a line break."""
    return self.encode_plain("\n")

  @functools.cached_property
  def _headers(self) -> dict[str, list[int]]:
    return {
      role: [self._start, *self.encode_plain(role), *self.newline]
      for role in ROLES
    }

  def header(self, role: str) -> list[int]:
    """Ids that open a turn of `role`."""
    if role not in self._headers:
      raise ValueError(f"role {role!r} is unknown: use one of {list(ROLES)}")
    return self._headers[role]

  def render_chat(
    self, messages: Sequence[Message], generation_prompt: bool = False
  ) -> tuple[list[int], list[int]]:
    """Ids of a chat, and a mask of those that the assistant writes.

    No default system message is added. The ids of messages[:k] are a prefix of
    the ids of messages.

    Args:
      messages: turns of {"role", "content"}.
      generation_prompt: open a turn of the assistant at the end.

    Returns:
      ids, mask: equally long; mask is 1 on the assistant's content and on the
      token that ends its turn, 0 elsewhere.
    """
    ids: list[int] = []
    mask: list[int] = []
    for message in messages:
      header = self.header(message["role"])
      content = [*self.encode_plain(message["content"]), self.end_of_turn]
      assistant = int(message["role"] == "assistant")
      ids += header + content + self.newline
      mask += [0] * len(header) + [assistant] * len(content)
      mask += [0] * len(self.newline)
    if generation_prompt:
      ids += self.header("assistant")
      mask += [0] * (len(ids) - len(mask))
    return ids, mask

  def show_mask(self, ids: Sequence[int], mask: Sequence[int]) -> str:
    """The text with [square brackets] around what is masked 1."""
    out, inside = [], 0
    for token, masked in zip(ids, mask, strict=True):
      if masked != inside:
        out.append("[" if masked else "]")
        inside = masked
      out.append(self.decode([token]))
    return "".join(out) + ("]" if inside else "")
