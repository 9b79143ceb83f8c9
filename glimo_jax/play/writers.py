"""Policies that write text: an action, a plan, or a rationale and an action."""

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.play import scoring
from simulators import base

LONGEST_RATIONALE = 128  # tokens, with the answer


class PlanPolicy:
  """Writes a whole plan, follows it, and writes a new one where it ends.

  It also writes a new plan where a move left the text as it was. The planned
  move scores 1 and the others 0: where the untried-action rule bars the
  planned move, one of the others is drawn. An error, or a plan without any
  action word, ends the episode as a failure. A policy plays one batch of
  episodes.

  Args:
    lm: a LanguageModel.
    preamble: the world's rules, the shared prefix of every prompt.
    actions: the action words.
    parse: `world.parse` of one word: -> action index or None.
    max_tokens: most tokens of a plan.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    parse: Callable[[str], int | None],
    max_tokens: int = 32,
  ):
    ask = functools.partial(prompts.plan, preamble)
    self._write = _Writer(lm, ask, max_tokens)
    self._parse, self._num_actions = parse, len(actions)
    self._left: dict[int, list[int]] = {}  # row -> the rest of its plan
    self._last: dict[int, str] = {}  # row -> the text before

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; a row of nan ends that episode as a failure; see `Policy`."""
    for text, row in zip(texts, rows, strict=True):
      if self._last.get(row) == text:
        self._left[row] = []
      self._last[row] = text
    ended = [
      (text, row)
      for text, row in zip(texts, rows, strict=True)
      if not self._left.get(row)
    ]
    plans = self._write([text for text, _ in ended])
    for (_, row), plan in zip(ended, plans, strict=True):
      moves = [self._parse(word) for word in plan.split()]
      self._left[row] = [move for move in moves if move is not None]
    scores = np.zeros((len(texts), self._num_actions))
    for score, row in zip(scores, rows, strict=True):
      if self._left[row]:
        score[self._left[row].pop(0)] = 1.0
      else:
        score[:] = np.nan
    return scores


class WritePolicy:
  """Writes freely; the world parses what was written.

  An error, or a text that names no action, ends the episode as a failure.

  Args:
    lm: a LanguageModel.
    preamble: the world's rules, the shared prefix of every prompt.
    actions: the action words.
    parse: `world.parse`: text -> action index or None.
    max_tokens: most tokens of an answer.
    form: the words of the prompt.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    parse: Callable[[str], int | None],
    max_tokens: int = 16,
    form: prompts.Form = prompts.PLAIN,
  ):
    def ask(text: str) -> prompts.Prompt:
      return form.acting(preamble, text, actions)

    self._write = _Writer(lm, ask, max_tokens)
    self._parse, self._num_actions = parse, len(actions)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; a row of nan ends that episode as a failure; see `Policy`."""
    scores = np.zeros((len(texts), self._num_actions))
    for score, written in zip(scores, self._write(texts), strict=True):
      action = self._parse(written)
      if action is None:
        score[:] = np.nan
      else:
        score[action] = 1.0
    return scores


class RationalePolicy:
  """Writes a rationale, then chooses among the action words after it.

  It asks as the rows with a rationale do (`base.rationale`). What was written
  before the last sentence is kept as the rationale; the actions are scored
  after it. An error, or an empty answer, ends the episode as a failure.

  Args:
    lm: a LanguageModel with `loglik`.
    preamble: the world's rules, the shared prefix of every prompt.
    actions: the action words.
    max_tokens: most tokens of a rationale with its answer.
    memo: keeps scores; None: nothing is kept from one step to the next.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    max_tokens: int = LONGEST_RATIONALE,
    *,
    memo: scoring.Memo | None = None,
  ):
    self._lm, self._memo, self._actions = lm, memo, tuple(actions)
    self._ask = functools.partial(prompts.acting, preamble)
    self._write = _Writer(lm, self._ask, max_tokens)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f32[B, A]: log p of each action after the rationale; see `Policy`.

    A row of nan ends that episode as a failure.
    """
    del rows
    memo = scoring.Memo() if self._memo is None else self._memo
    scores = after_rationales(
      self._lm,
      memo,
      [self._ask(text) for text in texts],
      self._write(texts),
      [self._actions] * len(texts),
    )
    return np.stack(scores)

  def written(self, text: str) -> str:
    """What the model writes to a text, its own choice included."""
    return self._write([text])[0]


def after_rationales(
  lm: llm.LanguageModel,
  memo: scoring.Memo,
  messages: Sequence[prompts.Prompt],
  written: Sequence[str],
  choices: Sequence[Sequence[str]],
) -> list[np.ndarray]:
  """log p of each choice after what was written before it, f32[C] each.

  Args:
    lm: a LanguageModel with `loglik`.
    memo: keeps scores.
    messages: B prompts.
    written: what the model wrote after each. All but its last sentence is the
      rationale; where nothing was written, all scores are nan.
    choices: the closed set of each.
  """
  endings = [
    tuple(base.with_rationale(text.rpartition(". ")[0], c) for c in some)
    for text, some in zip(written, choices, strict=True)
  ]
  scores = memo.loglik(lm, messages, endings)
  return [
    score if text else np.full_like(score, np.nan)
    for text, score in zip(written, scores, strict=True)
  ]


# How a model may act other than by choosing among the action words.
WRITERS = {"write": WritePolicy, "plan": PlanPolicy}


def concluded_action(
  written: str, parse: Callable[[str], int | None]
) -> int | None:
  """The action that a text with reasons names last; None if it names none.

  Only what follows the last `Answer:` counts, where the text has one.
  """
  words = _conclusion(written).split()
  for count in range(1, len(words) + 1):
    action = parse(" ".join(words[-count:]))
    if action is not None:
      return action
  return None


def concluded_choice(written: str, choices: Sequence[str]) -> str:
  """The choice that a text with reasons names last; "" if it names none.

  Of choices that end at the same place, the longest counts.
  """
  text = _conclusion(written)
  ends: list[tuple[int, int, str]] = []
  for choice in choices:
    pattern = rf"(?<!\w){re.escape(choice)}(?!\w)"
    for found in re.finditer(pattern, text, re.IGNORECASE):
      ends.append((found.end(), len(choice), choice))
  return max(ends)[-1] if ends else ""


def _conclusion(written: str) -> str:
  """What follows the last `Answer:`; the whole text where there is none."""
  parts = re.split(re.escape(prompts.CONCLUSION), written, flags=re.IGNORECASE)
  return parts[-1]


class _Writer:
  """A model's answer to each text, generated once a text; "" on an error."""

  def __init__(
    self,
    lm: llm.LanguageModel,
    ask: Callable[[str], prompts.Prompt],
    max_tokens: int,
  ):
    self._lm, self._ask, self._max_tokens = lm, ask, max_tokens
    self._answers: dict[str, str] = {}

  def __call__(self, texts: Sequence[str]) -> list[str]:
    new = [text for text in dict.fromkeys(texts) if text not in self._answers]
    if new:
      requests = [
        llm.Request(messages=self._ask(text), max_tokens=self._max_tokens)
        for text in new
      ]
      for text, c in zip(new, self._lm.generate(requests), strict=True):
        self._answers[text] = c.text if c.error is None else ""
    return [self._answers[text] for text in texts]
