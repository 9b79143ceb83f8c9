"""Who acts: policies by lot, by oracle and by language model."""

from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.evaluate import scoring
from glimo_jax.evaluate.acting import Policy


class RandomPolicy:
  """Any action, by lot."""

  def __init__(self, num_actions: int, seed: int = 0):
    self._num_actions = num_actions
    self._rng = np.random.default_rng(seed)

  def scores(self, texts, rows):
    return self._rng.random((len(texts), self._num_actions))


class OraclePolicy:
  """A shortest way to the goal, from the world's own oracle."""

  def __init__(self, text_world):
    self._text_world = text_world

  def scores(self, texts, rows):
    return -np.asarray(self._text_world.oracle(), np.float64)[list(rows)]


class SampledPolicy:
  """Draws from softmax(scores / temperature) of another policy.

  Gumbel noise on the scores makes the best one a draw, and the best untried
  one a draw without replacement.
  """

  def __init__(self, policy: Policy, temperature: float, seed: int = 0):
    if temperature <= 0:
      raise ValueError(f"temperature {temperature} must be positive")
    self._policy, self._temperature = policy, temperature
    self._rng = np.random.default_rng(seed)

  def scores(self, texts, rows):
    scores = np.asarray(self._policy.scores(texts, rows), np.float64)
    return scores / self._temperature + self._rng.gumbel(size=scores.shape)


class LanguagePolicy:
  """Chooses among the action words by their log-likelihood (`choose`).

  Args:
    lm: a LanguageModel with `loglik`.
    preamble: the world's rules, the shared prefix of every prompt.
    actions: the action words.
    shots: solved cases (text, action word) put before every prompt.
    retrieve: gives solved cases of its own to each text.
    prior: whether to divide by what the model says before it is told
      anything.
    memo: scores already paid for; share it between arms.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    shots: Sequence[scoring.Shot] = (),
    retrieve: scoring.Retrieve | None = None,
    prior: bool = False,
    memo: scoring.Memo | None = None,
  ):
    self._lm, self._preamble, self._shots = lm, preamble, tuple(shots)
    self._actions, self._retrieve = tuple(actions), retrieve
    self._prior = prior
    self._memo = scoring.Memo() if memo is None else memo

  def scores(self, texts, rows):
    messages = [self._prompt(text) for text in texts]
    if self._retrieve is not None:
      found = self._retrieve(texts)
      messages = [
        scoring.with_retrieved(prompt, shots)
        for prompt, shots in zip(messages, found, strict=True)
      ]
    asked = [self._actions] * len(texts)
    scores = np.stack(self._memo.loglik(self._lm, messages, asked))
    if not self._prior:
      return scores
    free = [self._prompt(text) for text in scoring.CONTENT_FREE]
    return scores - scoring.prior(self._lm, self._memo, free, self._actions)

  def _prompt(self, text: str) -> scoring.Prompt:
    return scoring.with_shots(prompts.acting(self._preamble, text), self._shots)


class PlanPolicy:
  """Writes a whole plan, follows it, and plans anew where it has ended.

  It plans anew, too, where a move left the text as it was. The planned move
  scores 1 and the others 0: where the untried-action rule bars the planned
  one, the lot decides. An error, or a text without any action word, ends the
  episode as a failure. A policy plays one batch of episodes.

  Args:
    parse: `world.parse`, of one word: -> action index or None.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    parse: Callable[[str], int | None],
    max_tokens: int = 32,
  ):
    self._lm, self._preamble, self._parse = lm, preamble, parse
    self._num_actions, self._max_tokens = len(actions), max_tokens
    self._written: dict[str, list[int]] = {}  # text -> plan
    self._left: dict[int, list[int]] = {}  # row -> what is left of its plan
    self._last: dict[int, str] = {}  # row -> text before

  def scores(self, texts, rows):
    for text, row in zip(texts, rows, strict=True):
      if self._last.get(row) == text:
        self._left[row] = []
      self._last[row] = text
    ended = [
      (text, row)
      for text, row in zip(texts, rows, strict=True)
      if not self._left.get(row)
    ]
    self._write([text for text, _ in ended])
    self._left |= {row: list(self._written[text]) for text, row in ended}
    scores = np.zeros((len(texts), self._num_actions))
    for score, row in zip(scores, rows, strict=True):
      if self._left[row]:
        score[self._left[row].pop(0)] = 1.0
      else:
        score[:] = np.nan
    return scores

  def _write(self, texts: Sequence[str]) -> None:
    new = [text for text in dict.fromkeys(texts) if text not in self._written]
    asked = [prompts.plan(self._preamble, text) for text in new]
    for text, said in zip(
      new, _said(self._lm, asked, self._max_tokens), strict=True
    ):
      moves = [self._parse(word) for word in said.split()]
      self._written[text] = [move for move in moves if move is not None]


class WritePolicy:
  """Writes freely; what it wrote is parsed by the world (`write`).

  An error, or a text that names no action, ends the episode as a failure.

  Args:
    parse: `world.parse`: text -> action index or None.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    parse: Callable[[str], int | None],
    max_tokens: int = 16,
  ):
    self._lm, self._preamble, self._parse = lm, preamble, parse
    self._num_actions, self._max_tokens = len(actions), max_tokens
    self._written: dict[str, int | None] = {}

  def scores(self, texts, rows):
    new = [text for text in dict.fromkeys(texts) if text not in self._written]
    asked = [prompts.acting(self._preamble, text) for text in new]
    for text, said in zip(
      new, _said(self._lm, asked, self._max_tokens), strict=True
    ):
      self._written[text] = self._parse(said)
    scores = np.zeros((len(texts), self._num_actions))
    for score, text in zip(scores, texts, strict=True):
      action = self._written[text]
      if action is None:
        score[:] = np.nan
      else:
        score[action] = 1.0
    return scores


def _said(
  lm: llm.LanguageModel, asked: Sequence[prompts.Prompt], max_tokens: int
) -> list[str]:
  """What is written after each prompt, "" on an error."""
  if not asked:
    return []
  completions = lm.generate(
    [llm.Request(messages=p, max_tokens=max_tokens) for p in asked]
  )
  return [c.text if c.error is None else "" for c in completions]
