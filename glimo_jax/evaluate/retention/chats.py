"""Ordinary chats: how far the tuned model is from the base, and what it writes.

The prompts are of no world, and no training uses them. The base answers them
greedily. Along its answers stands KL(model || base) of the next token, on the
answer's first token too, where a model that answers everything with one word
differs most. The model's own greedy answers tell how often that happens.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax.data import texts
from glimo_jax.evaluate import stats
from glimo_jax.evaluate.retention import instructions
from glimo_jax.evaluate.retention.instructions import INSTRUCTIONS
from glimo_jax.models import divergence
from glimo_jax.models.sampler import Sampler

_log = logging.getLogger(__name__)

MEASURES = ("chat_kl", "first_token_kl", "collapsed", "instructions")
_TOKENS = 24  # of the base's answers
_BRIEF = 2  # words of an answer that has collapsed
_OPENING = 8  # tokens that tell whether an answer is brief


@dataclasses.dataclass(frozen=True)
class ChatScore:
  """One model on N chat prompts and M instructions.

  Attributes:
    nats: f64[N], KL(model || base), summed over the tokens of the base's answer
      and the token after it.
    tokens: f64[N], their number.
    first: f64[N], KL on the first of them, in nats.
    collapsed: f64[N], 1 where the model ends after at most two words and the
      base does not.
    followed: f64[M], 1 where the answer fulfils the instruction.
  """

  nats: np.ndarray
  tokens: np.ndarray
  first: np.ndarray
  collapsed: np.ndarray
  followed: np.ndarray


ChatScores = Mapping[str, ChatScore]  # arm -> ChatScore


def scores(
  base: Sampler, models: Mapping[str, Sampler], prompts: int
) -> dict[str, ChatScore]:
  """arm -> ChatScore.

  Args:
    base: the model that the others are compared with.
    models: arm -> model; the base may be among them.
    prompts: how many held-out chat prompts are asked, and at most as many
      instructions.
  """
  asked = texts.prompts("held_out_chats")[:prompts]
  _log.info("retention: %d chats", len(asked))
  tokenizer = base.tokenizer
  opened = [_ids(base, prompt) for prompt in asked]
  answers = _answers(base, asked, _TOKENS)
  read = [
    (ids + tokenizer.encode_plain(text), len(ids))
    for ids, (text, _) in zip(opened, answers, strict=True)
  ]
  brief = np.array([_brief(*answer) for answer in answers])
  out = {}
  for arm, model in models.items():
    kl = divergence.kl(model, base, read)
    own = brief
    if model is not base:
      own = np.array([_brief(*a) for a in _answers(model, asked, _OPENING)])
    tasks = INSTRUCTIONS[:prompts]
    written = _answers(model, [t.prompt for t in tasks], instructions.TOKENS)
    out[arm] = ChatScore(
      nats=np.array([x.sum() for x in kl], np.float64),
      tokens=np.array([len(x) for x in kl], np.float64),
      first=np.array([x[0] for x in kl], np.float64),
      collapsed=(own & ~brief).astype(np.float64),
      followed=np.array(
        [
          float(task.holds(text))
          for task, (text, _) in zip(tasks, written, strict=True)
        ]
      ),
    )
  return out


def _ids(model: Sampler, prompt: str) -> list[int]:
  turn = {"role": "user", "content": prompt}
  return model.tokenizer.render_chat([turn], generation_prompt=True)[0]


def _answers(
  model: Sampler, prompts: Sequence[str], tokens: int
) -> list[tuple[str, str]]:
  """(text, finish reason) of each greedy answer."""
  ids = [_ids(model, prompt) for prompt in prompts]
  written = model.continue_ids(ids, tokens, 0.0, [0] * len(ids))
  return [(text, reason) for text, reason, _ in written]


def _brief(text: str, reason: str) -> bool:
  """Whether the model has ended its answer after a word or two."""
  return reason == "stop" and len(text.split()) <= _BRIEF


def summary(
  runs: Mapping[str, Sequence[ChatScore]],
) -> dict[str, dict[str, dict[str, Any]]]:
  """measure -> arm -> {"mean", "lo", "hi", "n"}.

  Args:
    runs: arm -> its trainings, on the same prompts.
  """
  out: dict[str, dict[str, Any]] = {name: {} for name in MEASURES}
  for arm, of_seed in runs.items():
    stacked = {
      field.name: np.stack([getattr(run, field.name) for run in of_seed])
      for field in dataclasses.fields(ChatScore)
    }
    found = (
      stats.ratio(stacked["nats"], stacked["tokens"]),
      stats.bootstrap(stacked["first"]),
      _share(stacked["collapsed"]),
      _share(stacked["followed"]),
    )
    for name, interval in zip(MEASURES, found, strict=True):
      out[name][arm] = interval.as_dict()
  return out if runs else {}


def compare(
  tuned: Sequence[ChatScore], base: ChatScore
) -> dict[str, dict[str, Any]]:
  """Instructions followed, tuned minus base, paired by instruction."""
  followed = [run.followed for run in tuned]
  gain = stats.paired(followed, base.followed)
  return {"instructions_difference": gain.as_dict()}


def _share(hits_SxN: np.ndarray) -> stats.Interval:
  """A share: of one training with the score interval, which holds at 0."""
  if len(hits_SxN) == 1:
    return stats.wilson(int(hits_SxN.sum()), hits_SxN.size)
  return stats.bootstrap(hits_SxN)
