"""English texts that nobody trains on, and pools of prompts of our own."""

import bz2
import hashlib
import html
import importlib.util
import pathlib
import re

from glimo_jax import fields

HELD_OUT = ("prose", "technical", "wiki")  # never trained on
PROMPTS = ("chats", "openings", "held_out_chats")
_FOLDER = pathlib.Path(__file__).parent / "replay" / "prompts"


def load(name: str) -> str:
  """A held-out text by name.

  `prose`: news of 2000-2001 (the Lee corpus, from the gensim package).
  `technical`: Python's language reference (pydoc_data, with every CPython).
  `wiki`: beginnings of Wikipedia's articles (from the gensim package).

  Raises:
    ValueError: no such text.
    FileNotFoundError: the package that holds it is not installed.
  """
  if name not in _LOADERS:
    raise ValueError(fields.unknown("text", name, _LOADERS))
  return _LOADERS[name]()


def prompts(name: str) -> list[str]:
  """A pool of prompts by name, in the order of the file.

  `chats`: ordinary questions and requests, which replay text answers.
  `openings`: beginnings of ordinary prose, which replay text continues.
  `held_out_chats`: other questions and requests, for evaluation alone.

  Raises:
    ValueError: no such pool.
  """
  fields.check_known("prompts", name, PROMPTS)
  path = _FOLDER / f"{name}.txt"
  return path.read_text(encoding="utf-8").splitlines()


def held_out() -> dict[str, str]:
  """Everything that replay text may not share a passage with, by name."""
  found = {name: load(name) for name in HELD_OUT}
  return {**found, "held_out_chats": "\n".join(prompts("held_out_chats"))}


def digest(text: str) -> str:
  """SHA-256 of a text; reports quote it, since texts change with versions."""
  return hashlib.sha256(text.encode()).hexdigest()


def _gensim(name: str) -> pathlib.Path:
  """A file of gensim's test data."""
  # find_spec of a top-level package does not import it: gensim's own
  # dependencies need not be installed.
  spec = importlib.util.find_spec("gensim")
  if spec is None or not spec.submodule_search_locations:
    raise FileNotFoundError(
      "the texts 'prose' and 'wiki' are read from the gensim package, which is "
      "not installed: pip install --no-deps gensim"
    )
  root = pathlib.Path(spec.submodule_search_locations[0])
  path = root / "test" / "test_data" / name
  if not path.exists():
    raise FileNotFoundError(
      f"the gensim package here lacks test/test_data/{name}: "
      "pip install --no-deps --force-reinstall gensim"
    )
  return path


def _prose() -> str:
  return _gensim("lee_background.cor").read_text(encoding="utf-8")


def _technical() -> str:
  from pydoc_data import topics

  return "\n\n".join(topics.topics[name] for name in sorted(topics.topics))


# The first articles of the English Wikipedia of 2014, as its dump has them.
_DUMP = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_LEAD = 4000  # characters read of an article, so that many are read
# Wikitext -> plain text, in this order. Innermost templates and tables go
# first, so the first two patterns are applied until nothing changes.
_NESTED = re.compile(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", re.DOTALL)
_FILES = re.compile(
  r"\[\[(?:File|Image|Category):(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]", re.I
)
_MARKUP = (
  (re.compile(r"<!--.*?-->", re.DOTALL), ""),
  (re.compile(r"<ref[^>]*/>|<ref.*?</ref>", re.DOTALL | re.I), ""),
  (re.compile(r"<[^>]+>"), ""),
  (re.compile(r"\[\[(?:[^|\[\]]*\|)?([^|\[\]]*)\]\]"), r"\1"),
  (re.compile(r"\[https?:\S+ ?([^\]]*)\]"), r"\1"),
  (re.compile(r"'{2,}"), ""),
  (re.compile(r"^=+ *(.*?) *=+ *$", re.MULTILINE), r"\1"),
  (re.compile(r"^[*#:;|!].*$", re.MULTILINE), ""),
  (re.compile(r"\n{3,}"), "\n\n"),
)


def _wiki() -> str:
  dump = bz2.decompress(_gensim(_DUMP).read_bytes()).decode()
  pages = re.findall(r"<text[^>]*>(.*?)</text>", dump, re.DOTALL)
  articles = [p for p in pages if not p.lower().startswith("#redirect")]
  return "\n\n".join(_plain(article)[:_LEAD] for article in articles)


def _plain(wikitext: str) -> str:
  """An article without templates, tables, lists and links."""
  text, before = html.unescape(wikitext), ""
  while text != before:
    text, before = _NESTED.sub("", text), text
  text = _FILES.sub("", text)
  for pattern, replacement in _MARKUP:
    text = pattern.sub(replacement, text)
  return html.unescape(text).strip()


_LOADERS = {"prose": _prose, "technical": _technical, "wiki": _wiki}
