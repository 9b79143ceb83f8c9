"""The second path: plain Python equals JAX and scenes solved by hand."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

import simulators
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience
from simulators.driving import reference
from simulators.driving.questions import forms
from simulators.driving.reference import faults, motion, sight
from simulators.driving.reference.scene import (
  AMBER,
  GREEN,
  ONCOMING,
  RED,
  Place,
)
from simulators.driving.types import ACTIONS, FAMILIES, GO, KEEP, LEFT, STOP
from simulators.text_world import TextWorld

WORLD = simulators.make("driving")
SCENES, STEPS = 48, 12
CLOSE = 0.02  # m, m/s: error of float32 after a dozen seconds


@pytest.fixture(scope="module")
def walked(drive):
  """walked(variant) -> (params, actions i32[SCENES, STEPS], states)."""
  pool = WORLD.pool("val", SCENES)
  actions = np.random.default_rng(5).integers(
    len(ACTIONS), size=(SCENES, STEPS)
  )
  actions[::2] = GO

  @functools.cache
  def walked(variant):
    params = WORLD.params(variant)
    choose = lambda t, player: actions[:, t]  # noqa: E731
    return params, actions, drive(params, pool, range(SCENES), choose, STEPS)

  return walked


@pytest.fixture(scope="module")
def start(walked):
  """start(family) -> the first moment of a scene of a family."""

  def start(family: str) -> reference.Game:
    params, _, states = walked("real")
    i = FAMILIES.index(family)
    return reference.Game.from_state(_row(states.env_state, 0, i), params)

  return start


def _row(tree, *place):
  return jax.tree.map(lambda x: x[place], tree)


# --- Against JAX --------------------------------------------------------------


@pytest.mark.parametrize(
  "variant",
  [
    "real", "imperfect/highway", "imperfect/slippery(0.2)",
    "imperfect/delay(0.5)", "imperfect/narrow(2.8)", "imperfect/temper(0.7)",
    "imperfect/no-signals", "imperfect/no-trucks", "imperfect/delayed(0.64)",
  ],
)  # fmt: skip
def test_drives_equal_the_jax_rules(walked, variant):
  params, actions, states = walked(variant)
  success = states.metrics["success"]
  ends = set()
  for i in range(SCENES):
    game = reference.Game.from_state(_row(states.env_state, 0, i), params)
    for t in range(STEPS):
      game = game.step(int(actions[i, t]))
      env = _row(states.env_state, t + 1, i)
      other = reference.Game.from_state(env, params)
      assert (game.time, game.faults, game.ended) == (
        other.time, other.faults, other.ended,
      )  # fmt: skip
      assert game.done == bool(success[t + 1, i])
      np.testing.assert_allclose(game.ego, other.ego, atol=CLOSE)
      for car, same in zip(game.cars, other.cars, strict=True):
        np.testing.assert_allclose(car[1:-1], same[1:-1], atol=CLOSE)
        np.testing.assert_allclose(car.meant, same.meant, atol=0.1)  # m/s2
      ends |= game.faults
  assert len(ends) >= 3, ends  # some walks end in an accident


@pytest.mark.parametrize("variant", ["real", "imperfect/no-signals"])
def test_text_tells_what_the_reference_sees(walked, variant):
  """The slots and the road ahead, found again from the hidden state."""
  params, _, states = walked(variant)
  texts = WORLD.describe(_row(states.obs, 4))
  checked = 0
  for i in np.flatnonzero(~states.env_state.ended[4]):
    env = _row(states.env_state, 4, i)
    seen = sight.look(reference.Game.from_state(env, params))
    text, told = texts[i], WORLD.parse_description(texts[i])
    expected = {
      "goal": seen.goal, "left": seen.left, "walk": seen.walk,
      "line": seen.line if seen.light else None, "end": seen.lane_end,
      "countdown": seen.countdown,
    }  # fmt: skip
    for name, value in expected.items():
      assert (value is None) == (name not in told), (name, text)
      assert value is None or abs(told[name] - value) < 0.55, (name, text)
    for slot, place in forms.PLACES.items():
      if slot in told["cars"]:
        car, other = told["cars"][slot], seen.place(*place)
        assert abs(car["gap"] - abs(other.gap)) < 0.55, text
        assert car["standing"] or (
          abs(car["by"] - other.speed + states.obs.speed[4, i]) < 0.55
        ), text
        checked += 1
  assert checked >= 20


def test_costs_and_best_actions_equal_those_of_the_planner(walked):
  """Equal to a quarter of a second, the rounding of costs."""
  params, actions, states = walked("real")
  player = TextWorld(WORLD, params, WORLD.pool("val", SCENES))
  player.reset(range(16))
  for t in range(3):
    player.step(actions[:16, t])
  costs = player.oracle()
  same = []
  for i in np.flatnonzero(~states.env_state.ended[3, :16]):
    game = reference.Game.from_state(_row(states.env_state, 3, i), params)
    np.testing.assert_allclose(game.costs(), costs[i], atol=0.25)
    best = np.flatnonzero(costs[i] == costs[i].min())
    same.append(game.optimal() == tuple(best))
  assert len(same) >= 12
  assert np.mean(same) >= 0.9


def test_regret_of_plans_equals_that_of_the_planner(walked, regret):
  """Equal to a quarter of a second for each of the two costs; -1 pads."""
  params, _, states = walked("real")
  rows = np.flatnonzero(~states.env_state.ended[3, :12])
  moments = _row(states.env_state, 3, rows)
  plans = np.random.default_rng(0).integers(len(ACTIONS), size=(len(rows), 4))
  plans[::2, 2:] = -1
  wasted = regret(moments, plans, params)
  for i, plan in enumerate(plans):
    game = reference.Game.from_state(_row(moments, i), params)
    expected = game.regret([int(a) for a in plan if a >= 0])
    assert wasted[i] == pytest.approx(expected, abs=0.5), plan
  assert wasted.max() > 1.0


def test_tools_find_the_reference_and_replay_with_it(drive):
  pool = WORLD.pool("val", 8)
  experience = Experience(
    world="driving", variant="real", split="val", level=1,
    level_hash=f"{int(pool.hashes[1]):016x}", depth=1, seed=0,
    actions=(GO, KEEP), actor="random", description="", instruction="",
    next_action=0, next_description="", success=False,
  )  # fmt: skip
  (game,) = Tools(WORLD, pool, chunk=8).games([experience])
  params = WORLD.params("real")
  first = drive(params, pool, [1], None, 0).env_state
  start = reference.Game.from_state(_row(first, 0, 0), params)
  np.testing.assert_allclose(
    game.ego, start.step(GO).step(KEEP).ego, atol=CLOSE
  )
  assert game.time == 2


# --- By hand ------------------------------------------------------------------


def test_stopping_distance_follows_newtons_law(start):
  game = start("pedestrian")
  speed, cars = game.ego.v, ()
  game = dataclasses.replace(game, cars=cars).drive(*[STOP] * 6)
  way = game.ego.s - start("pedestrian").ego.s
  # v2 / 2a plus at most v * (0.1 + 0.2 + 0.5) for delay and lag.
  assert speed**2 / 8 < way < speed**2 / 8 + 0.8 * speed
  assert game.ego.v < 0.1


def test_quarter_bend_turns_the_heading_by_90_degrees(start):
  scene = start("turn").scene
  before, radius = scene.route[0][0], 1.0 / scene.route[1][1]
  s = before + radius * math.pi / 2
  x, y, heading = scene.plane(Place(s, 0.0, 0.0))
  assert (x, y, heading) == pytest.approx(
    (before + radius, radius, math.pi / 2), abs=1e-3
  )
  bent = scene.plane(Place(s, 2.0, 0.0))
  assert bent[:2] == pytest.approx((x - 2.0, y), abs=1e-3)


def test_lights_are_never_green_for_both_roads(start):
  scene = start("signal").scene
  shown = {
    (scene.light(0, 0.25 * t), scene.light(2, 0.25 * t)) for t in range(180)
  }
  assert {(GREEN, RED), (AMBER, RED), (RED, RED), (RED, GREEN)} <= shown
  assert (GREEN, GREEN) not in shown
  assert (GREEN, AMBER) not in shown


def test_boxes_touch_if_no_line_separates_them():
  box = functools.partial(faults._rectangle, length=4.0)
  touch = faults._touch
  here = box(Place(0.0, 0.0, 0.0))
  assert touch(here, box(Place(3.9, 0.0, 0.0)))
  assert not touch(here, box(Place(4.1, 0.0, 0.0)))
  assert not touch(here, box(Place(0.0, 2.1, 0.0)))
  turned = math.pi / 4  # its corner reaches sqrt(5) m, but only off the axes
  assert touch(here, box(Place(3.0, 2.0, turned)))
  assert not touch(here, box(Place(3.6, 2.6, turned)))


def test_standing_car_ahead_is_hit_and_one_in_the_next_lane_is_not(start):
  game = start("blocked")
  assert LEFT in game.legal()
  ahead = game.drive(*[KEEP] * 12)
  assert ahead.faults == {"car"}
  assert ahead.step(GO) == ahead
  last = max(game.cars, key=lambda car: car.who.slot)
  adjacent = dataclasses.replace(game, cars=(last._replace(d=3.5, lane=1),))
  assert not adjacent.drive(*[KEEP] * 12).faults


@pytest.mark.parametrize(
  ("seconds", "fault"), [(-1.0, False), (0.1, True), (2.9, True), (3.4, False)]
)
def test_ego_yields_to_oncoming_cars_due_within_three_seconds(
  start, seconds, fault
):
  """One car at 10 m/s, this long before the paths meet; the ego turns now."""
  game = start("turn")
  line = game.scene.route[0][0] + 0.5 / game.scene.route[1][1]
  car = next(car for car in game.cars if car.who.road == ONCOMING)
  meet, _ = game.scene.meeting(ONCOMING)
  at = meet - 10.0 * seconds - 0.5 * car.who.size
  entering = faults._forces(
    game.scene, line - 0.3, line + 0.3, (car._replace(s=at, v=10.0),)
  )
  assert entering == fault
  there = faults._forces(game.scene, line + 0.3, line + 0.9, ())
  assert not there


def test_idm_in_equilibrium_neither_brakes_nor_accelerates(start):
  scene = start("cruise").scene
  who, v = scene.me, 10.0
  free = 1.0 - (v / 16.0) ** 4
  gap = (who.still + who.headway * v) / math.sqrt(free)
  assert motion.idm(scene, who, 16.0, v, gap, v) == pytest.approx(0.0, abs=1e-9)
  assert motion.idm(scene, who, 16.0, v, gap - 1.0, v) < 0.0


def test_question_about_a_car_that_is_not_there_is_refused(start):
  game = dataclasses.replace(start("follow"), cars=())
  assert not sight.look(game).cars
  with pytest.raises(ValueError, match="no car is seen ahead"):
    reference.answer(game, "pace", (-1, -1, -1))
