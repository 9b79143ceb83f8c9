"""Play in the terminal: who chooses, what is tried again, what ends it."""

import types

import numpy as np
import pytest

from glimo_jax.play import policies, terminal

ACTIONS = ("up", "down", "left")


class FakeWorld:
  """Two texts in turn; the third action ends the episode."""

  actions, preamble = ACTIONS, "rules."

  def reset(self, indices, seed=0):
    self.instruction, self.steps = ["arrive"], []
    self.done, self.success = np.zeros(1, bool), np.zeros(1, bool)
    return ["here"]

  def step(self, actions):
    self.steps += actions
    self.done[0] = self.success[0] = len(self.steps) == 3
    return ["here"], np.zeros(1), self.done

  def parse(self, line):
    return ACTIONS.index(line) if line in ACTIONS else None


def model(scores, monkeypatch):
  policy = types.SimpleNamespace(scores=lambda texts, rows: np.array([scores]))
  monkeypatch.setattr(policies, "LanguagePolicy", lambda *_: policy)
  return terminal.Model(None, FakeWorld(), says_why=False)


def test_model_takes_no_action_twice_and_advice_counts_as_none(monkeypatch):
  player = model([1.0, 3.0, 2.0], monkeypatch)
  for _ in range(2):
    assert player.advise("here") == (1, "down")
  assert [player.choose("here")[0] for _ in range(3)] == [1, 2, 0]
  assert player.choose("there") == (1, "down")
  # All were tried: they may be tried again.
  assert player.choose("here")[0] == 1


def test_model_without_an_answer_ends_the_episode(monkeypatch, capsys):
  player, world = model([np.nan] * 3, monkeypatch), FakeWorld()
  camera = terminal.Camera(world)
  terminal.episode(world, 0, 0, "model", player, camera)
  out = capsys.readouterr().out
  assert "> no answer" in out
  assert "model failed after 0 actions" in out


def test_person_types_until_a_word_is_an_action(monkeypatch, capsys):
  """The adviser speaks after each action and does not play."""
  lines = iter(["fly", "left", "up", "up"])
  monkeypatch.setattr("builtins.input", lambda _: next(lines))
  world = FakeWorld()
  adviser = model([1.0, 3.0, 2.0], monkeypatch)
  person = terminal.Person(world, adviser)
  terminal.episode(world, 0, 0, "you", person, terminal.Camera(world))
  out = capsys.readouterr().out
  assert world.steps == [2, 0, 0]
  assert out.count("does not name exactly one action") == 1
  assert out.count("the model: down") == 3
  assert "you succeeded after 3 actions" in out


@pytest.mark.parametrize("word", ["", "quit"])
def test_person_may_end_the_episode(word, monkeypatch, capsys):
  monkeypatch.setattr("builtins.input", lambda _: word)
  world = FakeWorld()
  person = terminal.Person(world)
  terminal.episode(world, 0, 0, "you", person, terminal.Camera(world))
  assert "you failed after 0 actions" in capsys.readouterr().out


def test_best_action_of_a_policy_is_taken():
  policy = types.SimpleNamespace(
    scores=lambda texts, rows: np.array([[0.0, 1.0, 0.5]])
  )
  assert terminal.FromPolicy(policy, ACTIONS).choose("here") == (1, "down")
