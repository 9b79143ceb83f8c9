"""Traffic in words: short, read back, and nothing told that is not seen."""

import functools

import jax
import numpy as np
import pytest

import simulators
from simulators.driving import text
from simulators.driving.types import ACTIONS, FAMILIES
from simulators.text_world import TextWorld

WORLD = simulators.make("driving", kinds=("people", "rule"))
REAL = WORLD.params("real")
N = 64
SECONDS = 12  # of play that is looked at


@functools.cache
def _pool():
  return WORLD.pool("test", N)


@functools.cache
def _seen():
  """Numpy observations of a drive of each scene, after as many s as its row."""
  player = TextWorld(WORLD, REAL, _pool())
  player.reset(range(N))
  rng, out = np.random.default_rng(0), []
  for _ in range(SECONDS):
    out.append(jax.device_get(player.state.obs))
    player.step(rng.integers(0, len(ACTIONS), N))
  moments = jax.tree.map(lambda *x: np.stack(x), *out)
  return jax.tree.map(
    lambda x: x[np.arange(N) % SECONDS, np.arange(N)], moments
  )


def test_descriptions_are_short_and_read_back():
  obs = _seen()
  for i, told in enumerate(WORLD.describe(obs)):
    assert len(told.split()) + told.count(".") + 1 <= text.LIMIT
    said = WORLD.parse_description(told)
    assert abs(said["speed"] - obs.speed[i]) <= 1.01 or obs.speed[i] > 20
    assert said.get("light", "none") == text.LIGHTS[obs.light[i]]
    assert len(said["men"]) == obs.walker_seen[i].sum()
    assert ("walk" in said) == (obs.walk[i] >= 0)
    for car in said["cars"]:
      assert car["gap"] in text.DISTANCES


def test_descriptions_fit_the_models_budget(smollm2):
  _, _, tokenizer = smollm2
  obs = _seen()
  lengths = [len(tokenizer.encode(told)) for told in WORLD.describe(obs)]
  assert max(lengths) <= 70
  for word in text.NUMBERS:
    assert len(tokenizer.encode(" " + word)) == 1, word


def test_a_sentence_that_nobody_wrote_is_refused():
  with pytest.raises(ValueError, match="cannot read"):
    WORLD.parse_description("speed ten aim ten limit ten. cows ahead.")


def test_actions_are_read_from_answers():
  for action, word in enumerate(ACTIONS):
    assert WORLD.parse(word) == action
    assert WORLD.parse(f"My answer: {word.upper()}.") == action
  assert WORLD.parse("left or right") is None
  assert WORLD.parse("nothing") is None


def test_people_are_told_from_afar_and_before_they_cross():
  """Or whoever drives could not know that someone is about to step out."""
  scenes = np.flatnonzero(_pool().depths == FAMILIES.index("pedestrian"))
  player = TextWorld(WORLD, REAL, _pool())
  texts = player.reset(scenes)
  ask = jax.jit(jax.vmap(WORLD.sample_questions, (0, 0, None)))
  keys = jax.random.split(jax.random.key(0), len(scenes))
  assert all("waiting" in told for told in texts)
  went = np.zeros(len(scenes), bool)
  for _ in range(SECONDS):
    obs = jax.device_get(player.state.obs)
    asked = WORLD.ask(jax.device_get(ask(keys, player.state, REAL)), obs, 0)
    for i, (told, row) in enumerate(zip(texts, asked, strict=True)):
      men = WORLD.parse_description(told)["men"]
      crossing = any(man["going"] for man in men)
      went[i] |= crossing
      for question in row:
        wanted = {"people": ("no", "yes"), "rule": ("go", "stop")}
        assert question.answer == wanted[question.kind][crossing]
      for man, gap in zip(
        men, obs.walker_gap[i][obs.walker_seen[i]], strict=True
      ):
        assert (man["side"] == "left") == (gap > 0)
        assert abs(man["gap"] - abs(gap)) <= 1.01
    texts, _, _ = player.step([ACTIONS.index("stop")] * len(scenes))
  assert went.mean() > 0.8


def test_a_text_world_plays_and_unseen_actors_go_unsaid():
  told = {}
  for name in ("real", "imperfect/blind(1)", "imperfect/no-cars"):
    player = TextWorld(WORLD, WORLD.params(name), _pool())
    told[name] = player.reset(range(8))
    assert len(player.instruction) == 8
    texts, rewards, done = player.step([0] * 8)
    assert len(texts) == len(rewards) == len(done) == 8
  assert any("car" in t for t in told["real"])
  assert not any("car" in t or "man" in t for t in told["imperfect/blind(1)"])
  assert all(word in player.preamble for word in ACTIONS)


def test_a_text_world_tells_the_measures_of_the_episodes_so_far():
  player = TextWorld(WORLD, REAL, _pool())
  player.reset(range(16))
  assert not player.measures["collision"].any()
  while not player.done.all():
    player.step([ACTIONS.index("go")] * 16)  # drives into what is ahead
  assert set(player.measures) == set(WORLD.measures)
  collided = player.measures["collision"]
  assert 0 < collided.sum() < 16
  assert not (player.success & (collided > 0)).any()
  states = player.state.metrics
  for name, values in player.measures.items():
    np.testing.assert_array_equal(values, states[name])
