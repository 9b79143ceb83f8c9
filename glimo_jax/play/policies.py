"""Who acts: policies that draw at random, ask the oracle, or ask a model."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.play import scoring
from glimo_jax.play.loop import Policy
from simulators.text_world import HasTextOracle


class RandomPolicy:
  """Draws every action with equal probability."""

  def __init__(self, num_actions: int, seed: int = 0):
    self._num_actions = num_actions
    self._rng = np.random.default_rng(seed)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `Policy`."""
    return self._rng.random((len(texts), self._num_actions))


class OraclePolicy:
  """Takes a shortest way to the goal, from the world's own oracle."""

  def __init__(self, text_world: HasTextOracle):
    self._text_world = text_world

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `Policy`."""
    return -np.asarray(self._text_world.oracle(), np.float64)[list(rows)]


class SampledPolicy:
  """Draws from softmax(scores / temperature) of another policy.

  Gumbel noise on the scores makes the best one a draw, and the best untried
  one a draw without replacement.

  Args:
    policy: the other policy.
    temperature: above 0; 1 draws from the scores as log-probabilities.
    seed: of the noise, or the generator that draws it: A numbers for each
      live episode, in their order.
  """

  def __init__(
    self,
    policy: Policy,
    temperature: float,
    seed: int | np.random.Generator = 0,
  ):
    if temperature <= 0:
      raise ValueError(f"temperature {temperature} must be positive: raise it")
    self._policy, self._temperature = policy, temperature
    self._rng = np.random.default_rng(seed)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `Policy`."""
    scores = np.asarray(self._policy.scores(texts, rows), np.float64)
    return scores / self._temperature + self._rng.gumbel(size=scores.shape)


class RecordedPolicy:
  """Keeps the log-probabilities of another policy while it plays.

  Attributes:
    logprobs: row -> f64[A] before each action of its episode, normalised.
  """

  def __init__(self, policy: Policy):
    self._policy = policy
    self.logprobs: dict[int, list[np.ndarray]] = {}

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A], normalised over the actions; see `Policy`."""
    scores = np.asarray(self._policy.scores(texts, rows), np.float64)
    scores = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    for row, logp in zip(rows, scores, strict=True):
      self.logprobs.setdefault(row, []).append(logp)
    return scores


class LanguagePolicy:
  """Chooses among the action words by their log-likelihood.

  Args:
    lm: a LanguageModel with `loglik`.
    preamble: the world's rules, the shared prefix of every prompt.
    actions: the action words.
    shots: solved cases (text, action word) before every prompt.
    retrieve: finds solved cases for each text.
    prior: whether to divide by the probability of each action where the
      description says nothing.
    memo: keeps scores; arms that share it score a prompt once. None: nothing
      is kept from one step to the next.
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
    self._prior, self._memo = prior, memo

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f[B, A]; see `Policy`."""
    memo = scoring.Memo() if self._memo is None else self._memo
    messages = [self._prompt(text) for text in texts]
    if self._retrieve is not None:
      found = self._retrieve(texts)
      messages = [
        scoring.with_retrieved(prompt, shots)
        for prompt, shots in zip(messages, found, strict=True)
      ]
    choices = [self._actions] * len(texts)
    scores = np.stack(memo.loglik(self._lm, messages, choices))
    if not self._prior:
      return scores
    free = [self._prompt(text) for text in scoring.CONTENT_FREE]
    return scores - scoring.prior(self._lm, memo, free, self._actions)

  def _prompt(self, text: str) -> scoring.Prompt:
    return scoring.with_shots(prompts.acting(self._preamble, text), self._shots)


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
    max_tokens: longest plan.
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
    """f64[B, A]; see `Policy`."""
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
    max_tokens: longest answer.
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

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `Policy`."""
    scores = np.zeros((len(texts), self._num_actions))
    for score, written in zip(scores, self._write(texts), strict=True):
      action = self._parse(written)
      if action is None:
        score[:] = np.nan
      else:
        score[action] = 1.0
    return scores


# How a model may act other than by choosing among the action words.
WRITERS = {"write": WritePolicy, "plan": PlanPolicy}


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
