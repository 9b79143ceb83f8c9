"""Traffic in words: short, parseable, and only what is seen."""

import functools

import jax
import numpy as np
import pytest

import simulators
from simulators.driving.text import describing, words
from simulators.driving.types import ACTIONS, FAMILIES
from simulators.text_world import TextWorld

WORLD = simulators.make("driving")
REAL = WORLD.params("real")
N = 64
SECONDS = 12  # of play under test


@functools.cache
def _pool():
  return WORLD.pool("test", N)


@pytest.fixture(scope="module")
def seen(drive):
  """Numpy observations of one drive per scene, at the second of its row."""
  rng = np.random.default_rng(0)
  choose = lambda t, player: rng.integers(0, len(ACTIONS), N)  # noqa: E731
  states = drive(REAL, _pool(), range(N), choose, SECONDS - 1)
  return jax.tree.map(
    lambda x: x[np.arange(N) % SECONDS, np.arange(N)], states.obs
  )


def test_descriptions_are_short_and_can_be_parsed(seen):
  obs = seen
  for i, text in enumerate(WORLD.describe(obs)):
    assert len(text.split()) + text.count(".") + 1 <= describing.LIMIT
    parsed = WORLD.parse_description(text)
    assert abs(parsed["speed"] - obs.speed[i]) <= 1.01 or obs.speed[i] > 20
    assert parsed.get("light", "none") == words.LIGHTS[obs.light[i]]
    assert len(parsed["men"]) == obs.walker_seen[i].sum()
    assert ("walk" in parsed) == (obs.walk[i] >= 0)
    for car in parsed["cars"]:
      assert car["gap"] in words.DISTANCES


def test_descriptions_fit_the_models_budget(seen, smollm2):
  _, _, tokenizer = smollm2
  obs = seen
  lengths = [len(tokenizer.encode(text)) for text in WORLD.describe(obs)]
  assert max(lengths) <= 70
  for word in words.NUMBERS:
    assert len(tokenizer.encode(" " + word)) == 1, word


def test_sentence_of_another_format_is_refused():
  with pytest.raises(ValueError, match="follows no pattern: give a text"):
    WORLD.parse_description("speed ten aim ten limit ten. cows ahead.")


def test_actions_are_read_from_answers():
  for action, word in enumerate(ACTIONS):
    assert WORLD.parse(word) == action
    assert WORLD.parse(f"My answer: {word.upper()}.") == action
  assert WORLD.parse("left or right") is None
  assert WORLD.parse("nothing") is None


def test_people_are_described_early_and_before_they_cross(few, ask_few):
  """Otherwise a driver could not expect a pedestrian to step out."""
  scenes = np.flatnonzero(_pool().depths == FAMILIES.index("pedestrian"))
  player = TextWorld(WORLD, REAL, _pool())
  texts = player.reset(scenes)
  keys = jax.random.split(jax.random.key(0), len(scenes))
  wanted = {"people": ("no", "yes"), "rule": ("go", "stop")}
  assert all("waiting" in text for text in texts)
  went = np.zeros(len(scenes), bool)
  for _ in range(SECONDS):
    obs = jax.device_get(player.state.obs)
    asked = few.ask(ask_few(keys, player.state, REAL), obs, 0)
    for i, (text, row) in enumerate(zip(texts, asked, strict=True)):
      men = WORLD.parse_description(text)["men"]
      crossing = any(man["going"] for man in men)
      went[i] |= crossing
      for question in row:
        if question.kind in wanted:
          assert question.answer == wanted[question.kind][crossing]
      for man, gap in zip(
        men, obs.walker_gap[i][obs.walker_seen[i]], strict=True
      ):
        assert (man["side"] == "left") == (gap > 0)
        assert abs(man["gap"] - abs(gap)) <= 1.01
    texts, _, _ = player.step([ACTIONS.index("stop")] * len(scenes))
  assert went.mean() > 0.8


def test_text_world_omits_unseen_actors():
  played = {}
  for name in ("real", "imperfect/blind(1)", "imperfect/no-cars"):
    player = TextWorld(WORLD, WORLD.params(name), _pool())
    played[name] = player.reset(range(8))
    assert len(player.instruction) == 8
    texts, rewards, done = player.step([0] * 8)
    assert len(texts) == len(rewards) == len(done) == 8
  assert any("car" in t for t in played["real"])
  assert not any("car" in t or "man" in t for t in played["imperfect/blind(1)"])
  assert all(word in player.preamble for word in ACTIONS)


def test_text_world_gives_measures_of_the_episodes_so_far():
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
