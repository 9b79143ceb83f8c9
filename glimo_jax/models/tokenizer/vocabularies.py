"""Tokenizers of checkpoints: from GGUF metadata, and from folders."""

import json
import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import (
  decoders,
  models,
  normalizers,
  pre_tokenizers,
  processors,
)

from glimo_jax import files

Stops = frozenset[int]  # ids at which the model stops, beside those of chats
Parts = tuple[tokenizers.Tokenizer, str, dict[str, str], bool, Stops]

# GGUF token types (llama.cpp `llama_token_type`).
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6
_SPACE = "\u2581"  # SentencePiece writes it for a space


def _split(pattern: str) -> Callable[[], pre_tokenizers.PreTokenizer]:
  """Words of a regular expression, then bytes."""

  def build() -> pre_tokenizers.PreTokenizer:
    words = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([words, plain])

  return build


def _gpt2() -> pre_tokenizers.PreTokenizer:
  return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _smollm() -> pre_tokenizers.PreTokenizer:
  digits = pre_tokenizers.Digits(individual_digits=True)
  return pre_tokenizers.Sequence([digits, _gpt2()])


# Contractions, words, numbers, punctuation with line breaks after it, line
# breaks, white space. They differ in how many digits stand together.
_WORDS = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
  r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# `tokenizer.ggml.pre` -> how text is cut before the byte pairs are merged.
_BYTE_LEVEL = {
  "gpt-2": _gpt2,
  "smollm": _smollm,
  "qwen2": _split(_WORDS % ""),
  "llama-bpe": _split(_WORDS % "{1,3}"),
}


def of_gguf(meta: Mapping[str, Any]) -> Parts:
  """Arguments of `Tokenizer` from the metadata of a GGUF.

  Raises:
    ValueError: a tokenizer of another kind.
  """
  kind = meta.get("tokenizer.ggml.model")
  pre = meta.get("tokenizer.ggml.pre", "gpt-2")
  if kind == "gpt2" and pre in _BYTE_LEVEL:
    backend = _byte_level(meta, pre)
  elif kind == "llama":
    backend = _sentencepiece(meta)
  else:
    raise ValueError(
      f"GGUF tokenizer {kind!r}/{pre!r} is not supported: known are llama, and "
      f"gpt2 with {sorted(_BYTE_LEVEL)}; load the Hugging Face folder instead"
    )
  words, types = (meta[f"tokenizer.ggml.{n}"] for n in ("tokens", "token_type"))
  added = [
    tokenizers.AddedToken(word, special=type_ == _CONTROL, normalized=False)
    for word, type_ in zip(words, types, strict=True)
    if type_ in (_CONTROL, _USER_DEFINED)
  ]
  backend.add_tokens([token for token in added if not token.special])
  backend.add_special_tokens([token for token in added if token.special])
  named = {
    f"{name}_token": words[meta[f"tokenizer.ggml.{name}_token_id"]]
    for name in ("bos", "eos")
    if f"tokenizer.ggml.{name}_token_id" in meta
  }
  usual = kind == "llama" or pre == "llama-bpe"
  adds_bos = bool(meta.get("tokenizer.ggml.add_bos_token", usual))
  template = meta.get("tokenizer.chat_template", "")
  stops = [meta.get(f"tokenizer.ggml.{n}_token_id") for n in ("eot", "eom")]
  return backend, template, named, adds_bos, _known(backend, stops)


def _known(backend: tokenizers.Tokenizer, ids: Iterable[int | None]) -> Stops:
  """Those of some ids that are tokens."""
  found = (int(i) for i in ids if i is not None)
  return frozenset(i for i in found if backend.id_to_token(i) is not None)


def _byte_level(meta: Mapping[str, Any], pre: str) -> tokenizers.Tokenizer:
  """Byte pairs merged in the order of a list."""
  vocab = {word: i for i, word in enumerate(meta["tokenizer.ggml.tokens"])}
  merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
  backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
  backend.pre_tokenizer = _BYTE_LEVEL[pre]()
  backend.decoder = decoders.ByteLevel()
  return backend


def _sentencepiece(meta: Mapping[str, Any]) -> tokenizers.Tokenizer:
  """SentencePiece's byte pairs: the merge with the best score comes first."""
  words = meta["tokenizer.ggml.tokens"]
  types = meta["tokenizer.ggml.token_type"]
  vocab = {word: i for i, word in enumerate(words)}
  merges = _merges(vocab, meta["tokenizer.ggml.scores"], types)
  unknown = words[types.index(_UNKNOWN)] if _UNKNOWN in types else None
  backend = tokenizers.Tokenizer(
    models.BPE(
      vocab=vocab,
      merges=merges,
      unk_token=unknown,
      fuse_unk=True,
      byte_fallback=True,
    )
  )
  prepends = meta.get("tokenizer.ggml.add_space_prefix", True)
  first = [normalizers.Prepend(_SPACE)] if prepends else []
  backend.normalizer = normalizers.Sequence(
    [*first, normalizers.Replace(" ", _SPACE)]
  )
  backend.decoder = decoders.Sequence(
    [
      decoders.Replace(_SPACE, " "),
      decoders.ByteFallback(),
      decoders.Fuse(),
      *([decoders.Strip(" ", 1, 0)] if prepends else []),
    ]
  )
  return backend


def _merges(
  vocab: Mapping[str, int], scores: Sequence[float], types: Sequence[int]
) -> list[tuple[str, str]]:
  """Pairs of words whose union is a word, by its score."""
  found = []
  for word, i in vocab.items():
    if types[i] != _NORMAL:
      continue
    for cut in range(1, len(word)):
      left, right = vocab.get(word[:cut]), vocab.get(word[cut:])
      if left is not None and right is not None:
        found.append((-scores[i], left, right, word[:cut], word[cut:]))
  found.sort()
  return [(left, right) for *_, left, right in found]


def of_folder(folder: pathlib.Path) -> Parts:
  """Arguments of `Tokenizer` from a folder, as transformers reads it.

  Raises:
    FileNotFoundError: there is no tokenizer.
    ValueError: transformers cannot read it, or has no fast tokenizer for it.
  """
  alone, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
  if not alone.is_file() and not (folder / "tokenizer.model").is_file():
    raise FileNotFoundError(f"{alone} is missing: download it with the model")
  if alone.is_file() and not settings.is_file():
    files.read_json(alone, "download it again with its checkpoint")
    backend = tokenizers.Tokenizer.from_file(str(alone))
    return backend, "", {}, False, _stops(folder, backend)
  import transformers  # takes a second, and only folders need it

  try:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    backend = theirs.backend_tokenizer
  except Exception as error:  # of any type: theirs to choose
    raise ValueError(
      f"{folder}: transformers cannot read the tokenizer "
      f"({type(error).__name__}: {error}): download tokenizer.json and "
      "tokenizer_config.json again"
    ) from error
  template = theirs.chat_template or ""
  if isinstance(template, dict):  # several, by name
    template = template.get("default", "")
  bos = theirs.bos_token_id
  adds_bos = bos is not None and theirs("a").input_ids[:1] == [bos]
  named = {"bos_token": theirs.bos_token, "eos_token": theirs.eos_token}
  named = {name: text for name, text in named.items() if text}
  return backend, template, named, adds_bos, _stops(folder, backend)


def _stops(folder: pathlib.Path, backend: tokenizers.Tokenizer) -> Stops:
  """The ids that generation_config.json names as ends: one, or a list."""
  path = folder / "generation_config.json"
  if not path.is_file():
    return frozenset()
  settings = files.read_json(path, "download it again with its checkpoint")
  ids = settings.get("eos_token_id")
  return _known(backend, ids if isinstance(ids, list) else [ids])


def to_folder(folder: pathlib.Path, parts: Parts) -> None:
  """Writes what `of_folder` and transformers read.

  Args:
    folder: where tokenizer.json and tokenizer_config.json are written.
    parts: arguments of `Tokenizer`.
  """
  backend, template, named, adds_bos, _ = parts
  backend = tokenizers.Tokenizer.from_str(backend.to_str())
  if adds_bos:
    bos = named["bos_token"]
    backend.post_processor = processors.TemplateProcessing(
      single=[bos, "$A"],
      pair=[bos, "$A", bos, "$B"],
      special_tokens=[(bos, backend.token_to_id(bos))],
    )
  backend.save(str(folder / "tokenizer.json"))
  settings = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "chat_template": template,
    **named,
  }
  files.write_json(folder / "tokenizer_config.json", settings, indent=2)


def without_special(
  backend: tokenizers.Tokenizer, turns: Collection[str]
) -> tokenizers.Tokenizer:
  """A copy that reads special tokens, and those of turns, as plain text.

  It encodes the contents of messages: what a user writes never ends a turn,
  even where a checkpoint does not mark its turn tokens as special.
  """
  content = json.loads(backend.to_str())
  for token in content["added_tokens"]:
    token["special"] = token["special"] or token["content"] in turns
  plain = tokenizers.Tokenizer.from_str(json.dumps(content))
  plain.encode_special_tokens = True
  return plain
