"""A baseline without language: a small MLP trained on the same rows.

It reads what `World.parse_description` makes of a text. Names are numbered in
the order in which they occur, so that names it has not seen are as good as
those it has. It shows what can be learnt of a world without any language.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from glimo_jax.types import InstructionExample


@dataclasses.dataclass(frozen=True)
class MlpConfig:
  """Sizes and training; chosen once, on `val`.

  Attributes:
    width: of both hidden layers.
    steps: full-batch steps of Adam.
    lr: learning rate.
    weight_decay: decoupled.
    seed: of the initial weights.
  """

  width: int = 128
  steps: int = 300
  lr: float = 3e-3
  weight_decay: float = 1e-2
  seed: int = 0


def features(
  parsed: Mapping[str, Any], known: Collection[str], subgoal: str = ""
) -> tuple[dict[str, float], dict[str, str]]:
  """A parsed description as numbers.

  Keys of a mapping of mappings are words, and so are strings. A word that is
  not known is replaced by the number of its first occurrence.

  Args:
    parsed: what `World.parse_description` returns.
    known: words that stay themselves.
    subgoal: a word; its features stand a second time under the name `subgoal`.

  Returns:
    Feature name -> value, and word -> its number.
  """
  numbers: dict[str, str] = {}
  out: dict[str, float] = {}

  def word(text: str) -> str:
    if text in known:
      return text
    return numbers.setdefault(text, f"#{len(numbers)}")

  def walk(path: str, value: Any) -> None:
    if isinstance(value, Mapping):
      of_words = bool(value) and all(
        isinstance(v, Mapping) for v in value.values()
      )
      for key, inner in value.items():
        walk(f"{path}.{word(key) if of_words and path else key}", inner)
        if subgoal and key == subgoal:
          walk("subgoal", inner)
    elif isinstance(value, str):
      out[f"{path}={word(value)}"] = 1.0
    elif isinstance(value, (list, tuple)):
      strings = all(isinstance(v, str) for v in value)
      for i, inner in enumerate(value):
        walk(path if strings else f"{path}.{i}", inner)
    elif value is not None:
      out[path] = float(value)
      out[f"{path}>0"] = float(value > 0)
      out[f"{path}<0"] = float(value < 0)

  walk("", parsed)
  return out, numbers


class MlpPolicy:
  """Scores actions by an MLP trained on the rows that ask for the next action.

  Where the rows say a subgoal before the action, a first MLP learns the subgoal
  and a second one the action; the second reads what the text says of the
  subgoal a second time.

  Args:
    rows: training rows of one world.
    parse_description: of that world.
    actions: the action words.
    rules: of the world that it will play in.
    words: words that mean the same in every variant, `World.words`.
    config: see MlpConfig.

  Raises:
    ValueError: no row asks for the next action.
  """

  def __init__(
    self,
    rows: Sequence[InstructionExample],
    parse_description: Callable[[str, str], Mapping[str, Any]],
    actions: Sequence[str],
    rules: str = "",
    words: Sequence[str] = (),
    config: MlpConfig | None = None,
  ):
    self._parse, self._rules = parse_description, rules
    self._known = {*actions, *words}
    config = config or MlpConfig()
    rows = [row for row in rows if row.kind == "next_action"]
    if not rows:
      raise ValueError("no row of kind next_action: the MLP learns from those")
    parsed = [
      parse_description(row.messages[-1]["content"], row.messages[0]["content"])
      for row in rows
    ]
    self._subgoal = None
    things = [(row.rationale or ("",))[0] for row in rows]
    if all(things):
      plain = [features(p, self._known) for p in parsed]
      answers = [
        {numbers.get(thing, thing): 1.0}
        for thing, (_, numbers) in zip(things, plain, strict=True)
      ]
      self._subgoal = _Classifier([f for f, _ in plain], answers, config)
    inputs = [
      features(p, self._known, thing)[0]
      for p, thing in zip(parsed, things, strict=True)
    ]
    answers = [dict(zip(r.answers, r.weights, strict=True)) for r in rows]
    self._action = _Classifier(inputs, answers, config, actions)

  def scores(self, texts: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """f32[B, A]: log p of each action."""
    del rows
    return self._action.logp([self._read(text) for text in texts])

  def _read(self, text: str) -> dict[str, float]:
    parsed = self._parse(text, self._rules)
    found, numbers = features(parsed, self._known)
    if self._subgoal is None:
      return found
    logp = self._subgoal.logp([found])[0]
    words = {number: word for word, number in numbers.items()}
    for at in np.argsort(-logp):
      name = self._subgoal.classes[at]
      if name in words or name in parsed:
        return features(parsed, self._known, words.get(name) or name)[0]
    return found


class _Classifier:
  """An MLP from features by name to classes by name.

  Args:
    rows: features of each training row.
    answers: class -> target probability, for each row.
    config: see MlpConfig.
    classes: in order; by default all that occur, sorted.
  """

  def __init__(
    self,
    rows: Sequence[Mapping[str, float]],
    answers: Sequence[Mapping[str, float]],
    config: MlpConfig,
    classes: Sequence[str] = (),
  ):
    self.classes = list(classes or sorted({c for row in answers for c in row}))
    names = sorted({name for row in rows for name in row})
    self._column = {name: i for i, name in enumerate(names)}
    inputs = self._array(rows)
    self._scale = np.maximum(np.abs(inputs).max(0), 1.0)
    targets = np.zeros((len(rows), len(self.classes)), np.float32)
    for target, row in zip(targets, answers, strict=True):
      for name, weight in row.items():
        target[self.classes.index(name)] += weight
    trained = _train(config, inputs / self._scale, targets)
    self._weights = jax.device_get(trained)  # batches of all sizes: no jit

  def logp(self, rows: Sequence[Mapping[str, float]]) -> np.ndarray:
    """f32[n, classes]."""
    inputs = self._array(rows) / self._scale
    logits = _apply(self._weights, inputs, lambda x: np.maximum(x, 0))
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

  def _array(self, rows: Sequence[Mapping[str, float]]) -> np.ndarray:
    """f32[n, names]; features that no training row has are left out."""
    out = np.zeros((len(rows), len(self._column)), np.float32)
    for row, values in zip(out, rows, strict=True):
      for name, value in values.items():
        if name in self._column:
          row[self._column[name]] = value
    return out


def _apply(weights, x, relu=jax.nn.relu):
  for w, b in weights[:-1]:
    x = relu(x @ w + b)
  w, b = weights[-1]
  return x @ w + b


@functools.partial(jax.jit, static_argnames="config")
def _train(config: MlpConfig, inputs, targets):
  sizes = (inputs.shape[1], config.width, config.width, targets.shape[1])
  keys = jax.random.split(jax.random.key(config.seed), len(sizes) - 1)
  weights = [
    (jax.random.normal(k, (a, b)) * np.float32((2 / a) ** 0.5), jnp.zeros(b))
    for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
  ]
  optimizer = optax.adamw(config.lr, weight_decay=config.weight_decay)

  def loss(weights):
    logp = jax.nn.log_softmax(_apply(weights, inputs))
    return -jnp.mean(jnp.sum(targets * logp, axis=-1))

  def step(carry, _):
    weights, state = carry
    grads = jax.grad(loss)(weights)
    # Optax raises a float to an integer step, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
      updates, state = optimizer.update(grads, state, weights)
    return (optax.apply_updates(weights, updates), state), None

  start = (weights, optimizer.init(weights))
  return jax.lax.scan(step, start, length=config.steps)[0][0]
