"""Installed texts: long, different from each other; missing ones are named."""

import importlib.util
import re

import pytest

from glimo_jax.data import texts
from glimo_jax.evaluate import language


def test_texts_share_no_thirteen_words():
  held_out = {name: texts.load(name) for name in texts.HELD_OUT}
  for name, text in held_out.items():
    assert len(text.split()) > 20_000  # more than 16k tokens each
    others = "\n".join(t for n, t in held_out.items() if n != name)
    assert language.overlap(others, text).fraction == 0


def test_wiki_text_has_many_articles_and_no_markup():
  wiki = texts.load("wiki")
  assert wiki.startswith("Anarchism is a political philosophy")
  assert wiki.count("\n\n") > 500
  markup = re.findall(r"\[\[|\]\]|\{\{|\}\}|<ref|'''|\|\||&[a-z]+;", wiki)
  assert len(markup) < 10  # of 400,000 characters


def test_digest_tells_texts_apart():
  assert texts.digest(texts.load("wiki")) == texts.digest(texts.load("wiki"))
  assert texts.digest("a") != texts.digest("b")


def test_unknown_text_names_the_nearest_and_all():
  with pytest.raises(ValueError, match=r"'prose'.*technical, wiki"):
    texts.load("pros")


def test_missing_package_says_how_to_get_it(monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(FileNotFoundError, match="--no-deps gensim"):
    texts.load("prose")
