"""Traffic in words: short, parseable, and only what is seen."""

import functools
import itertools

import jax
import numpy as np
import pytest

import simulators
from simulators.driving.text import compact, describing, plain, words
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


def _near(scale, value):
  """The number in a scale that is nearest to a value."""
  return min(scale, key=lambda x: abs(x - value))


def test_plain_text_tells_exact_numbers(seen):
  for i, text in enumerate(describing.describe(seen, "plain")):
    parsed = WORLD.parse_description(text)
    for name, value in (
      ("goal", seen.goal), ("left", seen.left), ("speed", seen.speed),
      ("aim", seen.target), ("limit", seen.limit), ("walk", seen.walk),
      ("end", seen.lane_end), ("countdown", seen.countdown),
      ("line", np.where(seen.light > 0, seen.line, -1)), ("bend", seen.bend),
    ):  # fmt: skip
      if value[i] >= 0:
        assert abs(parsed[name] - value[i]) <= 0.51, (name, text)
      else:
        assert name not in parsed, (name, text)
    assert parsed["task"] == FAMILIES[seen.family[i]]
    assert parsed.get("light", "none") == words.LIGHTS[seen.light[i]]
    told = parsed.get("last")
    assert told == (ACTIONS[seen.last[i]] if seen.last[i] >= 0 else None)
    if seen.lanes[i] > 1:
      assert parsed["lanes"] == seen.lanes[i]
      assert parsed["lane"] == np.clip(seen.lane[i] + 1, 1, seen.lanes[i])
    assert len(parsed["people"]) == seen.walker_seen[i].sum()
    for person, gap, goes in zip(
      parsed["people"],
      seen.walker_gap[i][seen.walker_seen[i]],
      seen.walker_goes[i][seen.walker_seen[i]],
      strict=True,
    ):
      assert abs(person["gap"] - abs(gap)) <= 0.51
      assert (person["side"] == "left") == (gap > 0)
      assert person["going"] == {1: "left", 0: None, -1: "right"}[int(goes)]


def test_slots_hold_the_nearest_car_of_their_place(seen):
  """Each lane and direction; found again with plain comparisons."""
  places = {
    "ahead": (0, lambda gap: gap >= 0),
    "behind": (0, lambda gap: gap < 0),
    "left beside": (1, lambda gap: abs(gap) < 1),
    "left ahead": (1, lambda gap: gap >= 1),
    "left behind": (1, lambda gap: gap <= -1),
    "right beside": (-1, lambda gap: abs(gap) < 1),
    "right ahead": (-1, lambda gap: gap >= 1),
    "right behind": (-1, lambda gap: gap <= -1),
  }
  taken, left_out = set(), 0
  for i, text in enumerate(describing.describe(seen, "plain")):
    cars = WORLD.parse_description(text)["cars"]
    assert set(cars) <= set(words.SLOTS)
    for slot, (side, holds) in places.items():
      there = [
        (abs(seen.car_gap[i, j]), j)
        for j in np.flatnonzero(seen.car_seen[i] & (seen.car_road[i] == 0))
        if seen.car_side[i, j] == side and holds(seen.car_gap[i, j])
      ]
      assert there or slot not in cars, text
      if there and slot not in cars:  # farther than all that is told
        assert slot != "ahead"
        assert words.tokens(text) > plain.LIMIT - 15, text
        left_out += 1
      elif there:
        taken.add(slot)
        gap, j = min(there)
        car, speed = cars[slot], seen.car_speed[i, j]
        assert car["kind"] == ("truck" if seen.truck[i, j] else "car")
        assert abs(car["gap"] - gap) <= 0.51 or slot.endswith("beside")
        assert car["standing"] == (speed < 0.5)
        if not car["standing"]:
          assert abs(car["by"] - (speed - seen.speed[i])) <= 0.51
          assert car["braking"] == seen.car_brakes[i, j]
    for road, slot in enumerate(words.OTHER_ROADS, start=1):
      gaps = np.maximum(seen.car_gap[i], 0.0)[
        seen.car_seen[i] & (seen.car_road[i] == road)
      ]
      if slot in cars:
        taken.add(slot)
        told = [cars[slot][k] for k in ("gap", "next_gap") if k in cars[slot]]
        expected = np.sort(gaps)[: 1 + (slot == "oncoming")]
        np.testing.assert_allclose(told, expected, atol=0.51)
      else:  # too long a text leaves out crossing cars first
        assert slot == "crossing" or not len(gaps)
  assert len(taken) >= 8, taken
  assert left_out <= 0.05 * N


def test_compact_text_says_the_same_in_rounded_words(seen):
  scales = {
    "goal": None, "left": None, "lane": None, "lanes": None,
    "speed": words.SPEEDS, "aim": words.SPEEDS, "limit": words.SPEEDS,
    "line": words.DISTANCES, "walk": words.DISTANCES, "end": words.DISTANCES,
    "countdown": words.TIMES,
  }  # fmt: skip
  both = (describing.describe(seen, name) for name in ("plain", "compact"))
  for long, short in zip(*both, strict=True):
    one, other = map(WORLD.parse_description, (long, short))
    assert set(one) == set(other)
    for key, scale in scales.items():
      if key in one and scale is None:
        assert one[key] == other[key]
      elif key in one:  # a number was rounded once, or twice
        assert abs(_near(scale, one[key]) - other[key]) <= 20
        assert other[key] in scale
    for key in ("task", "last", "light", "turn", "going"):
      assert one.get(key) == other.get(key)
    assert set(one["cars"]) <= set(other["cars"])  # shorter, so it has room
    for slot, car in one["cars"].items():
      assert car["kind"] == other["cars"][slot]["kind"]
      assert other["cars"][slot]["gap"] in words.DISTANCES


def test_descriptions_fit_the_models_budget(seen, smollm2):
  """The count by words is that of the tokenizer."""
  _, _, tokenizer = smollm2
  for name, style in (("plain", plain), ("compact", compact)):
    texts = describing.describe(seen, name)
    lengths = [len(tokenizer.encode(text)) for text in texts]
    assert lengths == [words.tokens(text) for text in texts]
    assert np.mean(np.array(lengths) <= style.LIMIT) >= 0.99
    for family in style.TASKS.values():
      text = f"{family}. Goal"
      assert words.tokens(text) == len(tokenizer.encode(text)), text
  for word in words.NUMBERS:
    assert len(tokenizer.encode(" " + word)) == 1, word


def test_countdown_is_right_where_it_can_be_read(few):
  """The light changes after as many seconds as were told."""
  scenes = np.flatnonzero(_pool().depths == FAMILIES.index("signal"))
  player = TextWorld(WORLD, REAL, _pool())
  texts, waits = player.reset(scenes), []
  for _ in range(SECONDS):
    parsed = [WORLD.parse_description(text) for text in texts]
    waits.append([(p["light"], p.get("countdown")) for p in parsed])
    texts, _, _ = player.step([ACTIONS.index("stop")] * len(scenes))
  for told in zip(*waits, strict=True):
    for (light, left), (later, less) in itertools.pairwise(told):
      if left is None:
        continue
      assert less == left - 1 if light == later else left <= 1
  assert any(left is not None for told in waits for _, left in told)


def test_sentence_of_another_format_is_refused():
  for text in ("Pass slow cars. Cows ahead.", "pass. cows ahead."):
    with pytest.raises(ValueError, match="follows no pattern: give a text"):
      WORLD.parse_description(text)


def test_unknown_rendering_is_refused():
  with pytest.raises(ValueError, match="did you mean 'plain'"):
    simulators.make("driving", rendering="plane")


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
      people = WORLD.parse_description(text)["people"]
      crossing = any(person["going"] for person in people)
      went[i] |= crossing
      for question in row:
        if question.kind in wanted:
          assert question.answer == wanted[question.kind][crossing]
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
  assert any("car " in t for t in played["real"])
  blind = map(WORLD.parse_description, played["imperfect/blind(1)"])
  assert not any(seen["cars"] or seen["people"] for seen in blind)
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
