"""Who acts: policies that draw at random, ask the oracle, or ask a model."""

import collections
from collections.abc import Callable, Sequence

import numpy as np

from glimo_jax.agent import llm, prompts
from glimo_jax.play import scoring
from glimo_jax.play.loop import Policy
from simulators import base
from simulators.text_world import HasTextOracle


class RandomPolicy:
  """Draws every action with equal probability."""

  def __init__(self, num_actions: int, seed: int = 0):
    self._num_actions = num_actions
    self._rng = np.random.default_rng(seed)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A]; see `Policy`."""
    return self._rng.random((len(texts), self._num_actions))


class ExplorerPolicy:
  """Goes where it has been least: it counts visits and knows no goal.

  In a place it takes an action that it has not tried there, at random. Where
  all were tried, it takes the one that led to the place visited least. It plays
  without the untried-action rule, which would bar its ways back and leave a
  random player. It plays one batch.

  Args:
    num_actions: A.
    seed: of the order of equal actions.
    place: text -> name of the place that it tells of; by default the text.
  """

  def __init__(
    self,
    num_actions: int,
    seed: int = 0,
    place: Callable[[str], str] = str,
  ):
    self._num_actions, self._place = num_actions, place
    self._rng = np.random.default_rng(seed)
    self._visits = collections.Counter[tuple[int, str]]()  # (row, place)
    self._led: dict[tuple[int, str, int], str] = {}  # (row, place, action) ->
    self._last: dict[int, tuple[str, int]] = {}  # row -> (place, action)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f64[B, A], minus the visits of where each action led; see `Policy`."""
    order = self._rng.random((len(texts), self._num_actions))
    scores = order * 0.5  # between whole numbers: only equal visits are moved
    for score, text, row in zip(scores, texts, rows, strict=True):
      place = self._place(text)
      if row in self._last:
        before, action = self._last[row]
        self._led[row, before, action] = place
      self._visits[row, place] += 1
      for action in range(self._num_actions):
        led = self._led.get((row, place, action))
        score[action] -= 0 if led is None else self._visits[row, led]
      self._last[row] = place, int(score.argmax())
    return scores


def place_reader(world: object) -> Callable[[str], str]:
  """Text -> the place that it tells of, in a world that reads its texts.

  What a text says of the last action is no part of the place. Where the world
  reads no texts, every text is a place.
  """
  if not isinstance(world, base.ParsesDescriptions):
    return str

  def place(text: str) -> str:
    parsed = world.parse_description(text)
    return repr({name: parsed[name] for name in parsed if name != "last"})

  return place


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
    form: the words of the prompt.
  """

  def __init__(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    actions: Sequence[str],
    shots: Sequence[scoring.Shot] = (),
    *,
    form: prompts.Form = prompts.PLAIN,
    retrieve: scoring.Retrieve | None = None,
    prior: bool = False,
    memo: scoring.Memo | None = None,
  ):
    self._lm, self._preamble, self._shots = lm, preamble, tuple(shots)
    self._actions, self._retrieve = tuple(actions), retrieve
    self._prior, self._memo, self._form = prior, memo, form

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
    prompt = self._form.acting(self._preamble, text, self._actions)
    return scoring.with_shots(prompt, self._shots)
