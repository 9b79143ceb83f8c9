"""Films: which level is shown, and that a replay is the episode."""

import dataclasses
import io

import pytest
from PIL import Image

import simulators
from glimo_jax.evaluate.report import films
from glimo_jax.play import loop, policies
from simulators.text_world import TextWorld

SEED = 3


@pytest.fixture(scope="module")
def played():
  """World, pool and the episodes of an oracle and of random actions."""
  world = simulators.make("agentworld")
  pool = world.pool("test", 4)
  text_world = TextWorld(world, world.params("real"), pool)

  def play(policy):
    return loop.play(policy, text_world, range(4), seed=SEED, max_steps=4)

  random = policies.RandomPolicy(len(world.actions))
  acted = {"tuned": play(policies.OraclePolicy(text_world)),
           "base": play(random)}  # fmt: skip
  return world, pool, acted


def test_films_of_a_level_have_equal_lengths_and_captions(played):
  world, pool, acted = played
  shown = films.before_and_after(world, pool, acted, SEED)
  assert [caption.split(":")[0] for caption in shown] == ["base", "tuned"]
  pictures = [Image.open(io.BytesIO(gif)) for gif in shown.values()]
  times = [
    sum(picture.info["duration"] for _ in iter_frames(picture))
    for picture in pictures
  ]
  # One picture before each action and one at the end, which stays longer.
  longest = max(acted[arm][0].steps for arm in acted)
  assert times == [500 * (longest + 1 + 2)] * 2
  assert pictures[0].size == pictures[1].size


def iter_frames(picture):
  for i in range(picture.n_frames):
    picture.seek(i)
    yield picture


def test_level_that_tells_most_is_shown(played):
  _, _, acted = played
  wins = [(0, 0, False), (1, 0, True), (2, 1, True), (3, 1, True)]
  tuned = [
    dataclasses.replace(acted["tuned"][i], depth=depth, success=won)
    for i, depth, won in wins
  ]
  base = [dataclasses.replace(e, success=False) for e in acted["base"]]
  assert films._most_telling(base, tuned) == 2
  assert films._most_telling(base, base) == 0


def test_replay_that_differs_is_refused(played):
  world, pool, acted = played
  other = [
    dataclasses.replace(e, texts=(*e.texts[:-1], "elsewhere"))
    for e in acted["base"]
  ]
  with pytest.raises(ValueError, match="ends otherwise"):
    films.before_and_after(world, pool, acted | {"base": other}, SEED)


def test_no_film_without_pictures_or_without_both_models(played):
  world, pool, acted = played
  assert films.before_and_after(world, pool, {"tuned": []}, SEED) == {}
  assert films.before_and_after(object(), pool, acted, SEED) == {}
