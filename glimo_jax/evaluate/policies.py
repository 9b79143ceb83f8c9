"""Who acts: policies by lot, by oracle and by language model."""

import functools
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
    ask = functools.partial(prompts.plan, preamble)
    self._write = _Writer(lm, ask, max_tokens)
    self._parse, self._num_actions = parse, len(actions)
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
    ask = functools.partial(prompts.acting, preamble)
    self._write = _Writer(lm, ask, max_tokens)
    self._parse, self._num_actions = parse, len(actions)

  def scores(self, texts, rows):
    scores = np.zeros((len(texts), self._num_actions))
    for score, said in zip(scores, self._write(texts), strict=True):
      action = self._parse(said)
      if action is None:
        score[:] = np.nan
      else:
        score[action] = 1.0
    return scores


class _Writer:
  """What a model writes to each text, asked once a text; "" on an error."""

  def __init__(
    self,
    lm: llm.LanguageModel,
    ask: Callable[[str], prompts.Prompt],
    max_tokens: int,
  ):
    self._lm, self._ask, self._max_tokens = lm, ask, max_tokens
    self._said: dict[str, str] = {}

  def __call__(self, texts: Sequence[str]) -> list[str]:
    new = [text for text in dict.fromkeys(texts) if text not in self._said]
    if new:
      requests = [
        llm.Request(messages=self._ask(text), max_tokens=self._max_tokens)
        for text in new
      ]
      for text, c in zip(new, self._lm.generate(requests), strict=True):
        self._said[text] = c.text if c.error is None else ""
    return [self._said[text] for text in texts]
