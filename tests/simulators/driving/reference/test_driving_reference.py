"""The second path: plain Python against JAX, and against scenes by hand."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from glimo_jax.agent.tools import Tools
from glimo_jax.types import Experience
from simulators.driving import (
  oracle,
  reference,
  reference_faults,
  reference_sight,
)
from simulators.driving import reference_motion as motion
from simulators.driving.reference.scene import (
  AMBER,
  GREEN,
  ONCOMING,
  RED,
  Place,
)
from simulators.driving.types import ACTIONS, FAMILIES, GO, KEEP, LEFT, STOP

WORLD = simulators.make("driving")
SCENES, STEPS = 48, 12
CLOSE = 0.02  # m, m/s: what float32 may make of a dozen seconds


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def _walk(level, actions, params):
  """(first state, states after each action, the first's costs)."""

  def take(state, action):
    new = WORLD.step(state, action, params)
    new = jax.tree.map(lambda a, b: jnp.where(state.done, a, b), state, new)
    return new, new

  first = WORLD.reset(jax.random.key(0), params, level)
  return first, jax.lax.scan(take, first, actions)[1]


@functools.cache
def _walked(variant: str):
  """(params, actions, first and later env_states, success), numpy."""
  levels = WORLD.pool("val", SCENES).levels
  actions = np.random.default_rng(5).integers(
    len(ACTIONS), size=(SCENES, STEPS)
  )
  actions[::2] = GO
  params = WORLD.params(variant)
  first, states = _walk(levels, actions, params)
  bare = [s.env_state.replace(key=jnp.zeros(())) for s in (first, states)]
  return params, actions, *jax.device_get((*bare, states.metrics["success"]))


def _row(tree, i):
  return jax.tree.map(lambda x: x[i] if np.ndim(x) else x, tree)


def _start(family: str) -> reference.Game:
  params, _, first, _, _ = _walked("real")
  i = FAMILIES.index(family)
  return reference.Game.from_state(_row(first, i), params)


# --- Against JAX --------------------------------------------------------------


@pytest.mark.parametrize(
  "variant",
  [
    "real", "imperfect/highway", "imperfect/slippery(0.2)",
    "imperfect/delay(0.5)", "imperfect/narrow(2.8)", "imperfect/temper(0.7)",
    "imperfect/no-signals", "imperfect/no-trucks", "imperfect/delayed(0.64)",
  ],
)  # fmt: skip
def test_drives_equal_the_jax_rules(variant):
  params, actions, first, states, success = _walked(variant)
  ends = set()
  for i in range(SCENES):
    game = reference.Game.from_state(_row(first, i), params)
    for t in range(STEPS):
      game = game.step(int(actions[i, t]))
      env = _row(_row(states, i), t)
      other = reference.Game.from_state(env, params)
      assert (game.time, game.faults, game.ended) == (
        other.time, other.faults, other.ended,
      )  # fmt: skip
      assert game.done == bool(success[i, t])
      np.testing.assert_allclose(game.ego, other.ego, atol=CLOSE)
      for car, same in zip(game.cars, other.cars, strict=True):
        np.testing.assert_allclose(car[1:-1], same[1:-1], atol=CLOSE)
        np.testing.assert_allclose(car.meant, same.meant, atol=0.1)  # m/s2
      ends |= game.faults
  assert len(ends) >= 3, ends  # the walks do come to harm


def test_costs_and_best_actions_equal_the_planners():
  """Equal to a quarter of a second, which is what a cost is rounded to."""
  params, _, _, states, _ = _walked("real")
  moments = jax.tree.map(lambda x: x[:16, 2] if np.ndim(x) else x, states)
  moments = moments.replace(key=np.zeros(16))
  plan = functools.partial(oracle.costs, config=WORLD.config)
  costs = np.asarray(jax.jit(jax.vmap(plan, (0, None)))(moments, params))
  same = []
  for i in np.flatnonzero(~moments.ended):
    game = reference.Game.from_state(_row(moments, i), params)
    np.testing.assert_allclose(game.costs(), costs[i], atol=0.25)
    best = np.flatnonzero(costs[i] == costs[i].min())
    same.append(game.optimal() == tuple(best))
  assert len(same) >= 12
  assert np.mean(same) >= 0.9


def test_regret_of_plans_equals_the_planners():
  """To a quarter of a second for each of the two costs; -1 pads."""
  params, _, _, states, _ = _walked("real")
  rows = np.flatnonzero(~states.ended[:12, 2])
  moments = jax.tree.map(lambda x: x[rows, 2] if np.ndim(x) else x, states)
  moments = moments.replace(key=np.zeros(len(rows)))
  regret = jax.jit(
    jax.vmap(lambda env, plan: oracle.regret(env, plan, params, WORLD.config))
  )
  plans = np.random.default_rng(0).integers(len(ACTIONS), size=(len(rows), 4))
  plans[::2, 2:] = -1
  wasted = np.asarray(regret(moments, plans))
  for i, plan in enumerate(plans):
    game = reference.Game.from_state(_row(moments, i), params)
    told = game.regret([int(a) for a in plan if a >= 0])
    assert wasted[i] == pytest.approx(told, abs=0.5), plan
  assert wasted.max() > 1.0


def test_the_tools_find_the_reference_and_play_it():
  pool = WORLD.pool("val", 8)
  experience = Experience(
    world="driving", variant="real", split="val", level=1,
    level_hash=f"{int(pool.hashes[1]):016x}", depth=1, seed=0,
    actions=(GO, KEEP), actor="random", description="", instruction="",
    next_action=0, next_description="", success=False,
  )  # fmt: skip
  (game,) = Tools(WORLD, pool, chunk=8).games([experience])
  params = WORLD.params("real")
  state = WORLD.reset(jax.random.key(0), params, pool.take(1))
  start = reference.Game.from_state(jax.device_get(state.env_state), params)
  np.testing.assert_allclose(
    game.ego, start.step(GO).step(KEEP).ego, atol=CLOSE
  )
  assert game.time == 2


# --- By hand ------------------------------------------------------------------


def test_stop_brings_one_to_stand_by_newtons_law():
  game = _start("pedestrian")
  speed, cars = game.ego.v, ()
  game = dataclasses.replace(game, cars=cars).drive(*[STOP] * 6)
  way = game.ego.s - _start("pedestrian").ego.s
  # v2 / 2a, and what delay and lag add: at most v * (0.1 + 0.2 + 0.5).
  assert speed**2 / 8 < way < speed**2 / 8 + 0.8 * speed
  assert game.ego.v < 0.1


def test_a_quarter_bend_turns_by_a_quarter():
  scene = _start("turn").scene
  before, radius = scene.route[0][0], 1.0 / scene.route[1][1]
  s = before + radius * math.pi / 2
  x, y, heading = scene.plane(Place(s, 0.0, 0.0))
  assert (x, y, heading) == pytest.approx(
    (before + radius, radius, math.pi / 2), abs=1e-3
  )
  bent = scene.plane(Place(s, 2.0, 0.0))
  assert bent[:2] == pytest.approx((x - 2.0, y), abs=1e-3)


def test_lights_never_show_green_to_both_roads():
  scene = _start("signal").scene
  shown = {
    (scene.light(0, 0.25 * t), scene.light(2, 0.25 * t)) for t in range(180)
  }
  assert {(GREEN, RED), (AMBER, RED), (RED, RED), (RED, GREEN)} <= shown
  assert (GREEN, GREEN) not in shown
  assert (GREEN, AMBER) not in shown


def test_boxes_touch_where_no_line_parts_them():
  box = functools.partial(reference_faults._rectangle, length=4.0)
  touch = reference_faults._touch
  here = box(Place(0.0, 0.0, 0.0))
  assert touch(here, box(Place(3.9, 0.0, 0.0)))
  assert not touch(here, box(Place(4.1, 0.0, 0.0)))
  assert not touch(here, box(Place(0.0, 2.1, 0.0)))
  turned = math.pi / 4  # its corner reaches sqrt(5) m, but not along the axes
  assert touch(here, box(Place(3.0, 2.0, turned)))
  assert not touch(here, box(Place(3.6, 2.6, turned)))


def test_a_standing_car_ahead_is_hit_and_one_beside_is_not():
  game = _start("blocked")
  assert LEFT in game.legal()
  ahead = game.drive(*[KEEP] * 12)
  assert ahead.faults == {"car"}
  assert ahead.step(GO) == ahead
  last = max(game.cars, key=lambda car: car.who.index)
  beside = dataclasses.replace(game, cars=(last._replace(d=3.5, lane=1),))
  assert not beside.drive(*[KEEP] * 12).faults


@pytest.mark.parametrize(
  ("seconds", "fault"), [(-1.0, False), (0.1, True), (2.9, True), (3.4, False)]
)
def test_who_turns_left_lets_come_who_is_due_within_three_seconds(
  seconds, fault
):
  """One car at 10 m/s, so long from where the paths meet, and the turn now."""
  game = _start("turn")
  line = game.scene.route[0][0] + 0.5 / game.scene.route[1][1]
  car = next(car for car in game.cars if car.who.road == ONCOMING)
  meet, _ = game.scene.meeting(ONCOMING)
  at = meet - 10.0 * seconds - 0.5 * car.who.size
  entering = reference_faults._forces(
    game.scene, line - 0.3, line + 0.3, (car._replace(s=at, v=10.0),)
  )
  assert entering == fault
  there = reference_faults._forces(game.scene, line + 0.3, line + 0.9, ())
  assert not there


def test_idm_in_equilibrium_neither_brakes_nor_speeds_up():
  scene = _start("cruise").scene
  who, v = scene.me, 10.0
  free = 1.0 - (v / 16.0) ** 4
  gap = (who.still + who.headway * v) / math.sqrt(free)
  assert motion.idm(scene, who, 16.0, v, gap, v) == pytest.approx(0.0, abs=1e-9)
  assert motion.idm(scene, who, 16.0, v, gap - 1.0, v) < 0.0


def test_a_question_about_a_car_that_is_not_there_is_refused():
  game = dataclasses.replace(_start("follow"), cars=())
  assert not reference_sight.look(game).cars
  with pytest.raises(ValueError, match="no car is seen ahead"):
    reference.answer(game, "pace", (-1, -1, -1))
