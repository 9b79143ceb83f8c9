"""One episode in the terminal: who plays, what is shown, and its film."""

import collections
from typing import Protocol

import jax
import numpy as np

from glimo_jax.agent import llm
from glimo_jax.play import loop, policies, writers
from simulators import film
from simulators.text_world import TextWorld

_SECONDS = 1.0  # of each frame in a film: there is text to read


class Player(Protocol):
  """Chooses one action at a time."""

  def choose(self, text: str) -> tuple[int | None, str]:
    """(the action, or None to end the episode; the words that are shown)."""
    ...


class FromPolicy:
  """Takes the best action of a policy.

  Args:
    policy: such as `policies.OraclePolicy`.
    actions: the action words.
  """

  def __init__(self, policy: loop.Policy, actions: tuple[str, ...]):
    self._policy, self._actions = policy, actions

  def choose(self, text: str) -> tuple[int | None, str]:
    """See `Player`."""
    action = int(np.argmax(self._policy.scores([text], [0])[0]))
    return action, self._actions[action]


class Model:
  """A model that never takes an action twice on the same text.

  Args:
    lm: the model.
    played: the world that it acts in.
    says_why: whether it is asked for a rationale before the action.
  """

  def __init__(self, lm: llm.LanguageModel, played: TextWorld, says_why: bool):
    kind = writers.RationalePolicy if says_why else policies.LanguagePolicy
    self._policy = kind(lm, played.preamble, played.actions)
    self._actions = played.actions
    self._tried = collections.defaultdict[str, set[int]](set)

  def choose(self, text: str) -> tuple[int | None, str]:
    """The likeliest action that was not tried; see `Player`."""
    action, words = self.advise(text, self._tried[text])
    if action is not None:
      self._tried[text].add(action)
    return action, words

  def advise(
    self, text: str, tried: set[int] | None = None
  ) -> tuple[int | None, str]:
    """The likeliest action, in the model's words; nothing is kept.

    The action is None where the model writes nothing.
    """
    score = np.asarray(self._policy.scores([text], [0])[0], np.float64)
    if np.isnan(score).any():
      return None, "no answer"
    score = loop.untried_scores(score, tried or set(), deterministic=False)
    action, why = int(np.argmax(score)), ""
    if isinstance(self._policy, writers.RationalePolicy):
      why = self._policy.written(text).rpartition(". ")[0]
    return action, ". ".join(filter(None, [why, self._actions[action]]))


class Person:
  """Reads actions from the keyboard.

  Args:
    played: the world, which parses what is typed.
    adviser: a model that says after each action what it would have done.
  """

  def __init__(self, played: TextWorld, adviser: Model | None = None):
    self._played, self._adviser = played, adviser

  def choose(self, text: str) -> tuple[int | None, str]:
    """See `Player`; an empty line or `quit` ends."""
    action = self._typed()
    if action is not None and self._adviser is not None:
      print(f"the model: {self._adviser.advise(text)[1]}")
    return action, ""

  def _typed(self) -> int | None:
    while True:
      try:
        line = input(f"{' / '.join(self._played.actions)} > ").strip()
      except EOFError:
        return None
      if line in ("", "quit"):
        return None
      action = self._played.parse(line)
      if action is not None:
        return action
      print(f"{line!r} does not name exactly one action")


class Camera:
  """Takes a picture of each moment, with its text and what is done next.

  Args:
    played: the world.
    picture: file that always shows the present moment; "" for none.
    gif: file for the film of the episode; "" for none.
  """

  def __init__(self, played: TextWorld, picture: str = "", gif: str = ""):
    self._played, self._picture, self._gif = played, picture, gif
    self._frames: list[np.ndarray] = []

  def look(self) -> None:
    """Adds the present moment."""
    if self._picture or self._gif:
      row = jax.tree.map(lambda x: x[0], self._played.state)
      world, params = self._played.world, self._played.params
      self._frames.append(film.frame(world, row, params))
      self._captioned("")

  def write(self, words: str) -> None:
    """Puts words on the last picture."""
    if self._frames:
      self._frames[-1] = self._captioned(words)

  def save(self) -> None:
    """Writes the film."""
    if self._gif:
      film.save(self._gif, self._frames, _SECONDS)
      print(f"film: {self._gif}")

  def _captioned(self, words: str) -> np.ndarray:
    whole = film.captioned(self._frames[-1], self._played.texts[0], words)
    if self._picture:
      film.save_picture(self._picture, whole)
    return whole


def episode(
  played: TextWorld,
  level: int,
  seed: int,
  name: str,
  player: Player,
  camera: Camera,
) -> None:
  """Plays and prints one episode.

  Args:
    played: the world.
    level: of its pool.
    seed: of the episode.
    name: of the player.
    player: chooses the actions.
    camera: takes its pictures.
  """
  print(played.preamble)
  text = played.reset([level], seed=seed)[0]
  print(f"\nTask: {played.instruction[0]}")
  print(f"\n{text}")
  camera.look()
  steps = 0
  while not played.done[0]:
    action, words = player.choose(text)
    if words:
      print(f"> {words}")
    if action is None:
      break
    camera.write(played.actions[action])
    text = played.step([action])[0][0]
    steps += 1
    print(f"\n{text}")
    camera.look()
  ending = "succeeded" if played.success[0] else "failed"
  print(f"\n{name} {ending} after {steps} actions")
  camera.write(ending)
  camera.save()
