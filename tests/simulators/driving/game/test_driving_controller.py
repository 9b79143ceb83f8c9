"""The controller: step responses in closed form, and nuPlan's comfort."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.driving.game import roads, score, vehicle
from simulators.driving.types import FAMILIES, Ego

WORLD = simulators.make("driving")
REAL = WORLD.params("real")
DT = 0.002  # s, fine enough for the closed forms


def _level(family):
  i = FAMILIES.index(family)
  return jax.tree.map(jnp.asarray, WORLD.pool("val", 8).take(i))


@functools.partial(jax.jit, static_argnums=(2, 3))
def _response(level, step, seconds, dt, params, urgent):
  """The ego, leaves [n], after a step (speed, aim, lane) from lane 0."""
  speed, aim, lane = step
  zero = jnp.zeros(())
  start = Ego(
    jnp.float32(30.0), zero, zero, speed, zero, zero, jnp.asarray(0), speed
  )

  def advance(ego, _):
    new = vehicle.drive(level, params, ego, lane, aim, urgent, dt)
    return new, new

  return jax.lax.scan(advance, start, None, length=round(seconds / dt))[1]


def _play(family, speed, aim, lane, seconds, dt=DT, **changed):
  params = REAL.replace(**{k: jnp.float32(v) for k, v in changed.items()})
  step = jnp.float32(speed), jnp.float32(aim), jnp.asarray(lane)
  ego = _response(_level(family), step, seconds, dt, params, jnp.asarray(False))
  return dt * (1.0 + np.arange(round(seconds / dt))), jax.device_get(ego)


def _rear(ego):
  """f32[n] m: d of the rear axle on a straight road."""
  return ego.d - 0.5 * vehicle.WHEELBASE * np.sin(ego.heading)


def test_small_step_of_speed_is_an_overdamped_oscillator():
  """lag e'' + e' + e / 1 s = 0 from e = 0.5 m/s at rest."""
  t, ego = _play("blocked", 10.0, 10.5, 0, 4.0)
  one, two = np.roots([0.2, 1.0, 1.0])
  e = 0.5 * (two * np.exp(one * t) - one * np.exp(two * t)) / (two - one)
  np.testing.assert_allclose(10.5 - ego.v, e, atol=4e-3)


def test_large_step_of_speed_is_limited_in_jerk_then_in_acceleration():
  """a = 4 t up to 2 - 4 * lag, from there 2 - 0.8 exp(-(t - 0.3) / lag)."""
  t, ego = _play("blocked", 4.0, 12.0, 0, 2.0)
  later = 2.0 - 0.8 * np.exp(-(t - 0.3) / 0.2)
  a = np.where(t < 0.3, 4.0 * t, later)
  np.testing.assert_allclose(ego.a, a, atol=0.02)
  np.testing.assert_allclose(ego.v, 4.0 + np.cumsum(a) * DT, atol=0.02)


@pytest.mark.parametrize("speed", [6.0, 10.0, 14.0])
def test_lane_change_is_three_equal_poles_at_the_rear_axle(speed):
  """e = 3.5 (1 + p t + p^2 t^2 / 2) exp(-p t), p = 1.2/s, at any speed."""
  t, ego = _play("blocked", speed, speed, 1, 6.0)
  x = vehicle.POLE * t
  e = 3.5 * (1.0 + x + 0.5 * x * x) * np.exp(-x)
  np.testing.assert_allclose(3.5 - _rear(ego), e, atol=0.05)


def test_slow_lane_change_takes_the_same_way_at_every_speed():
  """Below 4.8 m/s the poles stand along the way, at 0.25 a metre."""
  ends = []
  for speed in (2.0, 4.0):
    _, ego = _play("blocked", speed, speed, 1, 20.0 / speed)
    ends.append(_rear(ego)[-1])
  x = vehicle.SLOW_POLE * 20.0
  left = 3.5 * (1.0 + x + 0.5 * x * x) * np.exp(-x)
  np.testing.assert_allclose(ends, 3.5 - left, atol=0.05)


@pytest.mark.parametrize("family", ["turn", "mixed", "cruise"])
def test_bends_are_driven_within_ten_centimetres_at_2_5_m_s2(family):
  level = _level(family)
  _, ego = _play(family, 9.0, float(level.limit), 0, 30.0, dt=0.1)
  assert np.abs(ego.d).max() < 0.1
  assert np.abs(ego.v * ego.yaw).max() < 2.5 + 0.1
  assert ego.s[-1] > float(level.length[:2].sum())


@pytest.mark.parametrize(
  ("changed", "bound"), [({}, 4.0), ({"friction": 0.2}, 0.2 * 9.81)]
)
def test_friction_and_halt_bound_the_braking(changed, bound):
  _, ego = _play("blocked", 12.0, 0.0, 0, 8.0, dt=0.1, **changed)
  assert ego.a.min() == pytest.approx(-bound, abs=0.02)
  assert ego.v[-1] < 0.1
  assert (ego.v >= 0.0).all()


def test_lag_delays_the_acceleration():
  _, quick = _play("blocked", 8.0, 9.0, 0, 0.4)
  _, slow = _play("blocked", 8.0, 9.0, 0, 0.4, lag=0.8)
  assert (slow.a <= quick.a + 1e-5).all()
  assert slow.a[-1] < 0.6 * quick.a[-1]


def test_random_driving_is_comfortable_but_for_emergencies(drive, random_legal):
  """Every action that is legal, at every moment of 64 scenes."""
  pool = WORLD.pool("val", 64)
  choose = random_legal(np.random.default_rng(2))
  states = drive(REAL, pool, range(64), choose, 20)
  last = {name: value[-1] for name, value in states.metrics.items()}
  ordinary = last["emergency"] == 0
  assert 32 < ordinary.sum() < 64
  for name in score.COMFORT:
    good = np.asarray(score.good(last, name))
    assert good[ordinary].all(), name
  assert not np.asarray(score.comfortable(last))[~ordinary].any()


@pytest.mark.parametrize(("gap", "hard"), [(15.0, True), (30.0, False)])
def test_stop_is_an_emergency_only_where_4_m_s2_are_not_enough(gap, hard):
  """12 m/s need 18 m at 4 m/s2; one metre is left free."""
  level = _level("blocked")
  env = WORLD.reset(jax.random.key(0), REAL, level).env_state
  last = int(np.argmax(np.where(level.there & (level.wish == 0), 1, 0)))
  ahead = level.at[last] - 0.5 * level.size[last]
  ego = env.ego.replace(
    s=ahead - gap - 0.5 * vehicle.LENGTH, v=jnp.float32(12.0)
  )
  assert float(roads.nose(ego.s)) == pytest.approx(float(ahead) - gap, abs=1e-3)
  urgent = functools.partial(
    vehicle.urgent, level, REAL, ego, cars=env.cars, now=jnp.zeros(())
  )
  assert bool(urgent(target=jnp.zeros(()))) == hard
  assert not bool(urgent(target=jnp.float32(4.0)))  # only `stop` brakes so hard
  step = jnp.float32(12.0), jnp.zeros(()), jnp.asarray(0)
  braked = _response(level, step, 1.0, 0.1, REAL, jnp.asarray(hard))
  assert (float(braked.a.min()) < -4.05) == hard
