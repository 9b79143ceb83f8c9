"""Installed texts: long, different from each other; missing ones are named."""

import importlib.util

import pytest

from glimo_jax.data import texts
from glimo_jax.evaluate import language


def test_texts_share_no_thirteen_words():
  held_out = {name: texts.load(name) for name in ("prose", "technical")}
  replay = texts.load("replay")
  for text in (*held_out.values(), replay):
    assert len(text.split()) > 20_000  # more than 16k tokens each
  language.check_apart(replay, held_out)
  assert language.overlap(*held_out.values()).fraction == 0


def test_replay_reads_in_the_same_order_each_time():
  assert texts.digest(texts.load("replay")) == texts.digest(
    texts.load("replay")
  )
  assert texts.digest("a") != texts.digest("b")


def test_unknown_text_names_the_nearest_and_all():
  with pytest.raises(ValueError, match=r"'prose'.*technical, replay"):
    texts.load("pros")


def test_missing_package_says_how_to_get_it(monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(FileNotFoundError, match="--no-deps gensim"):
    texts.load("prose")
