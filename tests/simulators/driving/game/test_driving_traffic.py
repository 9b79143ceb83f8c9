"""Traffic: published equations, published numbers, and no accident."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from simulators.driving.game import mobil, roads, scenes, traffic, vehicle
from simulators.driving.types import FAMILIES, FAR, Cars, Config

WORLD = simulators.make("driving")
REAL = WORLD.params("real")
ORDINARY = traffic.Drivers(*(jnp.zeros(()) for _ in range(3)))


def _params(base=REAL, **changed):
  values = {k: jnp.asarray(v, jnp.float32) for k, v in changed.items()}
  return base.replace(**values)


def _driver(wish):
  return ORDINARY.replace(wish=jnp.asarray(wish, jnp.float32))


# Treiber, Hennecke, Helbing 2000: v0 120 km/h, T 1.6, s0 2, a 0.73, b 1.67.
PAPER = dict(accel=0.73, brake=1.67, headway=1.6, gap=2.0)


@pytest.mark.parametrize(
  ("v", "gap"),
  [(5, 10.003), (10, 18.073), (15, 26.550), (20, 36.444), (25, 50.799)],
)
def test_idm_is_in_equilibrium_at_the_papers_gaps(v, gap):
  params, who = _params(**PAPER), _driver(120 / 3.6)
  v = jnp.asarray(v, jnp.float32)

  def a(gap):
    return float(traffic.idm(v, jnp.asarray(gap, jnp.float32), v, who, params))

  low, high = 1.0, 200.0
  for _ in range(60):
    middle = 0.5 * (low + high)
    low, high = (middle, high) if a(middle) < 0 else (low, middle)
  assert low == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize(
  ("accel", "dip"), [(0.5, 2.874), (0.73, 0.311), (1.0, 0.042), (2.0, 0.013)]
)
def test_platoon_damps_a_speed_dip_as_fast_as_theory_predicts(accel, dip):
  """100 cars at 10 m/s; the leader drives 0.5 m/s slower for a second."""
  # The published figures have a precision of a thousandth.
  params = _params(**PAPER | {"accel": accel})
  assert float(_dip(params)) == pytest.approx(dip, rel=0.05, abs=1e-3)


@jax.jit
def _dip(params):
  """Speed that the last car loses, m/s."""
  who, v0, cars, dt = _driver(120 / 3.6), 10.0, 100, 0.05
  equilibrium = (2.0 + v0 * 1.6) / np.sqrt(1 - (v0 / (120 / 3.6)) ** 4)

  def step(carry, t):
    s, v = carry
    v = v.at[0].set(jnp.where((t >= 5.0) & (t < 6.0), 9.5, 10.0))
    a = traffic.idm(v[1:], s[:-1] - s[1:], v[:-1], who, params)
    return (s + v * dt, v.at[1:].add(a * dt)), v[-1]

  s = -equilibrium * jnp.arange(cars, dtype=jnp.float32)
  start = (s, jnp.full(cars, v0))
  _, last = jax.lax.scan(step, start, jnp.arange(0.0, 600.0, dt))
  return v0 - last.min()


def test_highway_setting_follows_highway_envs_trace():
  """A car at 20 m/s with v0 30, 200 m behind one at 20 m/s; dt 1/15."""
  params, who = WORLD.params("imperfect/highway"), _driver(30.0)
  v, gap, accelerations = jnp.float32(20.0), jnp.float32(200.0), []
  for _ in range(15):
    a = traffic.idm(v, gap, jnp.float32(20.0), who, params)
    accelerations.append(float(a))
    gap, v = gap + (20.0 - v) / 15, v + a / 15
  np.testing.assert_allclose(
    accelerations[:3], [2.287407, 2.265344, 2.242972], atol=1e-5
  )
  assert float(v) == pytest.approx(22.124520, abs=1e-5)
  v = jnp.float32(20.0)
  a = traffic.idm(v, jnp.float32(44.652504452113), v, who, params)
  assert float(a) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("late", [0.0, 0.1, 0.25, 0.6, 1.0])
def test_drivers_apply_delayed_accelerations(late):
  """A ramp in time becomes the same ramp, delayed."""
  dt, steps = 0.1, 20
  params = _params(reaction=late)
  meant, done = jnp.zeros((11, 3)), []
  for t in range(steps):
    a = jnp.full(3, t * dt)
    meant = jnp.concatenate([meant, a[None]])[-11:]
    done.append(traffic.react(params, meant, 10, Config()))
  times = dt * np.arange(steps)
  expected = np.maximum(times - late, 0.0)
  np.testing.assert_allclose(done, expected[:, None] + np.zeros(3), atol=1e-6)


def test_platoon_with_reaction_delay_is_unstable():
  """Drivers with a = 1 m/s2 damp a dip (see above) unless they react late."""
  params = _params(**PAPER | {"accel": 1.0})
  v0, cars, dt, who = 10.0, 20, 0.1, _driver(120 / 3.6)
  gap = (2.0 + v0 * 1.6) / np.sqrt(1 - (v0 / (120 / 3.6)) ** 4)

  @jax.jit
  def last_dip(reaction):
    rules = params.replace(reaction=reaction)

    def step(carry, t):
      s, v, meant = carry
      v = v.at[0].set(jnp.where((t >= 5.0) & (t < 6.0), 9.5, 10.0))
      a = traffic.idm(v[1:], s[:-1] - s[1:], v[:-1], who, rules)
      meant = jnp.concatenate([meant[1:], a[None]])
      a = traffic.react(rules, meant, 15, Config(reaction=1.5))
      return (s + v * dt, v.at[1:].add(a * dt), meant), v[-1]

    start = -gap * jnp.arange(cars, dtype=jnp.float32)
    start = start, jnp.full(cars, v0), jnp.zeros((16, cars - 1))
    return v0 - jax.lax.scan(step, start, jnp.arange(0.0, 300.0, dt))[1].min()

  dips = [float(last_dip(jnp.float32(t))) for t in (0.0, 0.5, 1.0, 1.5)]
  assert dips == sorted(dips), dips
  assert dips[0] < 0.2 < dips[-1], dips


def test_leader_is_the_nearest_car_ahead_in_the_lane():
  level = WORLD.pool("train", 1, (0,)).take(0)
  level = jax.tree.map(jnp.asarray, level)
  n = level.at.shape[0]
  s = jnp.array([0.0, 30.0, 20.0, 50.0, -20.0, 10.0, 90.0, 70.0])[:n]
  lane = jnp.array([0, 0, 1, 0, 0, 2, 0, 1])
  cars = Cars(s, 3.5 * lane.astype(jnp.float32), s, s, lane)
  level = level.replace(road=jnp.zeros(n, jnp.int32), size=jnp.full(n, 4.0))
  away = traffic.Shadow(*(jnp.full(3, -1e5) for _ in range(7)))
  gap, lead = traffic.leaders(
    level, REAL, cars.replace(v=jnp.arange(8.0)), away, jnp.ones(n, bool)
  )
  np.testing.assert_allclose(gap, [26.0, 16.0, 46.0, 36.0, 16.0, FAR, FAR, FAR])
  np.testing.assert_array_equal(lead[:5], [1.0, 3.0, 7.0, 6.0, 0.0])


def test_mobil_considers_others_and_refuses_to_cut_in():
  one = jnp.asarray(1.0)
  gain, safe = mobil.incentive(
    own=0 * one, new=one, follower=jnp.array([0.0, -1.5]),
    behind=jnp.array([0.0, 0.5]), params=REAL,
  )  # fmt: skip
  assert float(gain) == pytest.approx(1.0 + 0.2 * (-1.5 + 0.5))
  assert bool(safe)
  _, safe = mobil.incentive(
    0 * one, one, jnp.array([0.0, -2.5]), jnp.array([0.0, 0.0]), REAL
  )
  assert not bool(safe)


@jax.jit
@jax.vmap
def _minute(level):
  """Whether cars collided or swapped, the largest jump, the least speed."""
  config = WORLD.config
  env = WORLD.reset(jax.random.key(0), REAL, level).env_state
  ego = env.ego.replace(s=jnp.asarray(-1e4), v=jnp.zeros(()))
  level = jax.tree.map(jnp.asarray, level)
  here, road = traffic.there(level, REAL), level.road

  def decide(cars, time):
    lane = mobil.change_lanes(level, REAL, cars, ego, time)
    cars = cars.replace(lane=lane)

    def substep(cars, since):
      seen = traffic.shadow(level, REAL, ego)
      now = time.astype(jnp.float32) + since
      a = traffic.accelerate(level, REAL, cars, seen, now)
      new = traffic.advance(REAL, cars, a, config.dt)
      moved = (new.s - cars.s) - cars.v * config.dt
      apart = jnp.abs(new.s[:, None] - new.s) - 0.5 * (
        level.size[:, None] + level.size
      )
      aside = jnp.abs(new.d[:, None] - new.d) - 2.0
      pair = here[:, None] & here & (road[:, None] == road)
      pair &= ~jnp.eye(len(road), dtype=bool)
      hit = pair & (apart < 0) & (aside < 0)
      order = (cars.s[:, None] - cars.s) * (new.s[:, None] - new.s)
      side_by_side = jnp.abs(cars.d[:, None] - cars.d) < 2.0
      swap = pair & side_by_side & (aside < 0) & (order < 0)
      jump = jnp.max(jnp.abs(moved) - 1e-5 * jnp.abs(new.s))
      return new, (jnp.any(hit), jnp.any(swap), jump, jnp.min(new.v))

    since = config.dt * jnp.arange(config.substeps, dtype=jnp.float32)
    return jax.lax.scan(substep, cars, since)

  _, (hit, swap, jump, slow) = jax.lax.scan(decide, env.cars, jnp.arange(60))
  return jnp.any(hit), jnp.any(swap), jnp.max(jump), jnp.min(slow)


@pytest.mark.parametrize("split", ["test", "ood-density"])
def test_traffic_alone_has_no_accident_and_no_teleport(split):
  """One minute of each scene with the ego far away; speed bounds every move."""
  pool = WORLD.pool(split, 96)
  hit, swap, jump, slow = _minute(pool.levels)
  assert not hit.any(), [FAMILIES[f] for f in pool.depths[np.asarray(hit)]]
  assert not swap.any()  # no car drives through another
  assert jump.max() < 1e-2
  assert slow.min() >= 0.0


def test_road_and_cartesian_frames_are_inverse():
  pool = WORLD.pool("train", 16)
  for i in range(16):
    level = jax.tree.map(jnp.asarray, pool.take(i))
    for s, d in ((10.0, 0.0), (40.0, 2.0), (75.0, -1.0), (110.0, 3.5)):
      x, y, _ = roads.pose(level, jnp.float32(s), jnp.float32(d))
      fs, fd, _ = roads.frames(
        level, REAL, jnp.float32(s), jnp.float32(d), jnp.float32(0.3)
      )
      for road in (1, 2):
        far = level.oncoming if road == 1 else level.cross[0]
        if far < FAR:
          px, py, _ = roads.place(
            level, REAL, jnp.asarray(road), fs[road], fd[road]
          )
          np.testing.assert_allclose((px, py), (x, y), atol=2e-3)


@pytest.mark.parametrize(
  ("degrees", "radius"),
  [(5, 57.2049), (10, 28.4664), (20, 13.9630), (30, 9.0139)],
)
def test_bicycle_turns_at_the_textbook_radius(degrees, radius):
  """L = 5, reference in the middle: R = (L/2) / sin(atan(tan(delta) / 2))."""
  steer = jnp.float32(np.deg2rad(degrees))
  state = (jnp.float32(0.0), jnp.float32(0.0), jnp.float32(0.0))
  *_, yaw = vehicle.bicycle(
    *state, jnp.float32(8.0), steer, jnp.float32(0.0), 0.01, wheelbase=5.0
  )
  assert 8.0 / float(yaw) == pytest.approx(radius, rel=1e-5)

  def step(state, _):
    *state, _ = vehicle.bicycle(
      *state, jnp.float32(1.0), steer, jnp.float32(0.0), 0.01, wheelbase=5.0
    )
    return tuple(state), jnp.stack(state[:2])

  steps = int(2 * np.pi * radius / 0.01)
  _, path = jax.lax.scan(step, state, None, length=steps)
  span = np.ptp(np.asarray(path), axis=0) / 2
  np.testing.assert_allclose(span, radius, rtol=1e-3)


def test_all_families_of_all_shifts_give_valid_scenes():
  draw = jax.jit(
    jax.vmap(
      lambda k, f, h: scenes.generate(k, f, h, Config()), (0, None, None)
    )
  )
  for family in range(len(FAMILIES)):
    for shift in range(len(scenes.SHIFTS)):
      key = jax.random.split(jax.random.key(family), 32)
      levels = jax.device_get(draw(key, family, shift))
      there = levels.there
      assert there.any(1).all()
      for i in range(32):
        same = there[i][:, None] & there[i] & ~np.eye(8, dtype=bool)
        same &= levels.road[i][:, None] == levels.road[i]
        same &= levels.at_lane[i][:, None] == levels.at_lane[i]
        gap = np.abs(levels.at[i][:, None] - levels.at[i])
        assert gap[same].min(initial=99.0) > 9.5, (FAMILIES[family], shift)
        assert (levels.at_lane[i] < levels.lanes[i]).all()
      assert (levels.goal > levels.start[:, 0] + 50).all()
