"""Text <-> token ids, and chats <-> ids with a loss mask."""

import itertools
import pathlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tokenizers

from glimo_jax.models.tokenizer import templates, vocabularies
from glimo_jax.models.tokenizer.templates import ChatPart, Format
from glimo_jax.types import Message

START, END = "<|im_start|>", "<|im_end|>"  # of ChatML
_SEPARATORS = ("<|endoftext|>", "<|end_of_text|>")


class Prompt(NamedTuple):
  """A chat with the assistant's turn opened.

  Attributes:
    ids: its tokens.
    before: number of its first ids that are the messages before the last one;
      the same as `shared` where the template does not keep them apart.
    shared: number of its first ids before the content of the last message.
  """

  ids: list[int]
  before: int
  shared: int


_Piece = tuple[int, int]  # id of a token, and where its characters end


class Tokenizer:
  """A tokenizer with the chat template of its model.

  Attributes:
    vocab_size: number of ids.
    template: the chat template in use, in Jinja.
    end_of_turn: id of the token that ends the assistant's turn.
    end_of_text: id of the token between documents.
    start_of_text: id of the token before a document's first.
    ends: ids at which the model stops writing.
    turn_ids: ids that the template writes or that end a text.
  """

  def __init__(
    self,
    backend: tokenizers.Tokenizer,
    template: str = "",
    tokens: Mapping[str, str] | None = None,
    adds_bos: bool = False,
    stops: Collection[int] = (),
  ):
    """Takes a tokenizer and reads its template.

    Args:
      backend: text -> ids.
      template: the model's, in Jinja; "" for ChatML where the tokenizer has
        its tokens, else for `templates.PLAIN`.
      tokens: `bos_token`, `eos_token`, which templates name.
      adds_bos: every document begins with the bos token.
      stops: further ids at which the model stops writing.

    Raises:
      ValueError: the template or the tokens do not suffice for chats.
    """
    self._backend = backend
    self.vocab_size: int = backend.get_vocab_size(with_added_tokens=True)
    tokens = {name: text for name, text in (tokens or {}).items() if text}
    template = template or self._default(tokens, adds_bos)
    self._parts = backend, template, tokens, adds_bos, frozenset(stops)
    added = backend.get_added_tokens_decoder().values()
    names = [token.content for token in added]
    self._format = Format(template, tokens, names)
    self.template = template
    turns = self._format.turn_tokens
    special = {token.content for token in added if token.special} | turns
    self._special = re.compile("|".join(map(re.escape, sorted(special))))
    self._first = frozenset(text[0] for text in special)
    self._plain = vocabularies.without_special(backend, turns)
    turn = self._format.layout(("user", "assistant")).parts
    last = [part.text for part in turn if part.answer][-1]
    self.end_of_turn = self._id(self._special.findall(last)[-1])
    known = [*_SEPARATORS, tokens.get("eos_token", "")]
    ids = [i for i in map(backend.token_to_id, known) if i is not None]
    self.end_of_text = ids[0] if ids else self.end_of_turn
    ends = [self.end_of_turn, self.end_of_text, *ids[-1:], *stops]
    self.ends = frozenset(ends)
    written = frozenset(map(self._id, turns))
    self.turn_ids = written | self.ends
    self._bos = [self._id(tokens["bos_token"])] if adds_bos else []
    self.start_of_text = self._bos[0] if adds_bos else self.end_of_text

  def _default(self, tokens: Mapping[str, str], adds_bos: bool) -> str:
    """The template of a base model, which has none of its own."""
    if None not in map(self._backend.token_to_id, (START, END)):
      return templates.CHATML
    if self._backend.token_to_id(tokens.get("eos_token", "")) is None:
      raise ValueError(
        f"the tokenizer has no chat template, no {START} and {END}, and no "
        "eos_token: give a checkpoint whose tokenizer_config.json names one"
      )
    begin = "" if adds_bos else "{% set bos_token = '' %}"
    return begin + templates.PLAIN

  @classmethod
  def from_gguf(cls, meta: Mapping[str, Any]) -> "Tokenizer":
    """Rebuilds tokenizer and template from GGUF metadata.

    Raises:
      ValueError: a tokenizer of another kind.
    """
    return cls(*vocabularies.of_gguf(meta))

  @classmethod
  def from_folder(cls, folder: pathlib.Path) -> "Tokenizer":
    """Reads a folder's tokenizer and template, as transformers does.

    A tokenizer.json alone is read as it is, and has no template.

    Raises:
      FileNotFoundError: there is none.
      ValueError: transformers cannot read it, or not in this way.
    """
    return cls(*vocabularies.of_folder(folder))

  def save(self, path: pathlib.Path) -> None:
    """Writes a tokenizer.json that `from_folder` and transformers read."""
    self._backend.save(str(path))

  def save_folder(self, folder: pathlib.Path) -> None:
    """Writes tokenizer and chat template as transformers reads them."""
    vocabularies.to_folder(folder, self._parts)

  def _id(self, text: str) -> int:
    found = self._backend.token_to_id(text)
    if found is None:
      raise ValueError(
        f"the tokenizer lacks the token {text!r} of its own chat template: "
        "take both from one checkpoint"
      )
    return found

  def encode(self, text: str) -> list[int]:
    """Ids of `text`; special tokens in it become their single ids."""
    return self._backend.encode(text, add_special_tokens=False).ids

  def encode_plain(self, text: str) -> list[int]:
    """Ids of `text` as plain characters, never as special tokens."""
    return self._plain.encode(text, add_special_tokens=False).ids

  def encode_document(self, text: str) -> list[int]:
    """Ids of a text that is no chat, as plain characters.

    Begins with the bos token where the model's own tokenizer adds it.
    """
    return self._bos + self.encode_plain(text)

  def decode(self, ids: Sequence[int]) -> str:
    """Text of `ids`, special tokens included."""
    return self._backend.decode(list(ids), skip_special_tokens=False)

  def render_chat(
    self, messages: Sequence[Message], generation_prompt: bool = False
  ) -> tuple[list[int], list[int]]:
    """Ids of a chat, and a mask of those that the assistant writes.

    The ids are those of `apply_chat_template` in transformers, but for what
    `templates` says. The ids of a prompt are the first of the chat that goes
    on with an answer to it.

    Args:
      messages: turns of {"role", "content"}.
      generation_prompt: open a turn of the assistant at the end.

    Returns:
      ids, mask: equally long; mask is 1 on the assistant's content and on the
      token that ends its turn, 0 elsewhere.
    """
    roles = [message["role"] for message in messages]
    parts = self._format.layout(roles, generation_prompt).parts
    pieces = self._pieces(parts, messages)
    # Prompts, each with the parts up to the answer to it.
    starts = [
      i for i, p in enumerate(parts) if p.answer and not parts[i - 1].answer
    ]
    prompts = [self._pieces(parts[:i], messages) for i in starts]
    if any(pieces[: len(p)] != p for p in prompts):  # a token lies across
      pieces = self._pieces_apart(parts, [0, *starts], messages)
    ends = itertools.accumulate(len(p.fill(messages)) for p in parts)
    answers = [(end, p.answer) for end, p in zip(ends, parts, strict=True)]
    mask, i = [], 0
    for _, end in pieces:
      while i < len(answers) - 1 and answers[i][0] < end:
        i += 1
      mask.append(int(answers[i][1]))
    return [token for token, _ in pieces], mask

  def render_prompt(self, messages: Sequence[Message]) -> Prompt:
    """Ids of a chat with the assistant's turn opened, and what others share."""
    roles = [message["role"] for message in messages]
    layout = self._format.layout(roles, generation_prompt=True)
    pieces = self._pieces(layout.parts, messages)

    def count(parts: int) -> int:
      size = sum(len(p.fill(messages)) for p in layout.parts[:parts])
      return next(
        (i for i, (_, end) in enumerate(pieces) if end > size), len(pieces)
      )

    shared = count(layout.upto)
    apart = len(roles) < 2 or layout.before
    before = count(layout.before) if apart else shared
    return Prompt([token for token, _ in pieces], before, shared)

  def encode_answer(self, text: str) -> list[int]:
    """Ids of an answer as they follow any prompt, the end of the turn too."""
    turns = [
      {"role": "user", "content": "."},
      {"role": "assistant", "content": text},
    ]
    return list(itertools.compress(*self.render_chat(turns)))

  def _pieces(
    self, parts: Sequence[ChatPart], messages: Sequence[Message]
  ) -> list[_Piece]:
    """Ids of some parts of a chat, and where the characters of each end."""
    texts = [part.fill(messages) for part in parts]
    contents = [t for t, p in zip(texts, parts, strict=True) if p.message >= 0]
    if not any(map(self._forges, contents)):
      coded = self._backend.encode("".join(texts), add_special_tokens=False)
      ends = (end for _, end in coded.offsets)
      return list(zip(coded.ids, ends, strict=True))
    return self._guarded(texts, parts)

  def _forges(self, content: str) -> bool:
    """Whether a content holds the text of a special token."""
    return not self._first.isdisjoint(content) and bool(
      self._special.search(content)
    )

  def _guarded(
    self, texts: Sequence[str], parts: Sequence[ChatPart]
  ) -> list[_Piece]:
    """As `_pieces`, but what stands in contents is never a special token."""
    out: list[_Piece] = []
    stretch, done = "", 0

    def flush() -> None:
      coded = self._plain.encode(stretch, add_special_tokens=False)
      ends = (done + end for _, end in coded.offsets)
      out.extend(zip(coded.ids, ends, strict=True))

    for text, part in zip(texts, parts, strict=True):
      begin = 0
      found = self._special.finditer(text) if part.message < 0 else ()
      for match in found:
        stretch += text[begin : match.start()]
        flush()
        done += len(stretch) + len(match[0])
        out.append((self._id(match[0]), done))
        stretch, begin = "", match.end()
      stretch += text[begin:]
    flush()
    return out

  def _pieces_apart(
    self,
    parts: Sequence[ChatPart],
    starts: Sequence[int],
    messages: Sequence[Message],
  ) -> list[_Piece]:
    """As `_pieces`, cut before each answer: prompts keep their ids."""
    out: list[_Piece] = []
    done = 0
    for begin, end in itertools.pairwise([*starts, len(parts)]):
      some = self._pieces(parts[begin:end], messages)
      out += [(token, done + at) for token, at in some]
      done += sum(len(p.fill(messages)) for p in parts[begin:end])
    return out

  def show_mask(
    self,
    ids: Sequence[int],
    mask: Sequence[int],
    marks: tuple[str, str] = ("[", "]"),
  ) -> str:
    """The text with two marks around what is masked 1."""
    pairs = zip(mask, ids, strict=True)
    out = []
    for masked, some in itertools.groupby(pairs, key=lambda pair: pair[0]):
      text = self.decode([token for _, token in some])
      out.append(text.join(marks) if masked else text)
    return "".join(out)
