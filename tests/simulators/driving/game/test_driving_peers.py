"""Drivers compared with those of highway-env, run in the same test."""

import jax
import jax.numpy as jnp
import numpy as np
from highway_env.road.road import Road, RoadNetwork
from highway_env.vehicle.behavior import IDMVehicle

import simulators
from simulators.driving.game import mobil, traffic
from simulators.driving.types import Cars, Ego

WORLD = simulators.make("driving")
HIGHWAY = WORLD.params("imperfect/highway")
LANES = 3


def _road():
  network = RoadNetwork.straight_road_network(
    LANES, length=5000, speed_limit=30
  )
  return Road(network, np_random=np.random.RandomState(0))


def _vehicle(road, s, lane, speed, wish):
  index = ("0", "1", lane)
  place = road.network.get_lane(index).position(s, 0)
  vehicle = IDMVehicle(
    road, place, speed=speed, target_lane_index=index, target_speed=wish,
    enable_lane_change=False,
  )  # fmt: skip
  vehicle.DELTA = 4.0  # highway-env draws one for each vehicle
  road.vehicles.append(vehicle)
  return vehicle


def test_car_following_equals_highway_env_to_a_millionth():
  """Two cars, 150 steps of 1/15 s, in double precision on both sides."""
  road = _road()
  car = _vehicle(road, 0.0, 0, 20.0, 30.0)
  lead = _vehicle(road, 200.0, 0, 20.0, 20.0)
  theirs = []
  for _ in range(150):
    road.act()
    lead.action["acceleration"] = 0.0
    road.step(1 / 15)
    theirs.append((lead.position[0] - car.position[0], car.speed))
  with jax.enable_x64(True):
    params = jax.tree.map(
      lambda x: np.float64(round(float(x), 4)), HIGHWAY.replace(present=0)
    )
    who = traffic.Drivers(np.float64(30.0), np.float64(0.0), np.float64(0.0))
    gap, v, ours = np.float64(200.0), np.float64(20.0), []
    for _ in range(150):
      a = traffic.idm(
        jnp.float64(v), jnp.float64(gap), jnp.float64(20.0), who, params
      )
      gap, v = gap + (20.0 - v) / 15, v + float(a) / 15
      ours.append((gap, v))
  np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_mobil_equals_highway_env_on_200_random_scenes():
  """Eight cars on three lanes; changes to the left, then to the right.

  highway-env does not bound accelerations in this decision, nor does this test.
  """
  params = HIGHWAY.replace(limit=jnp.float32(1e4), friction=jnp.float32(1e3))
  level = jax.tree.map(jnp.asarray, WORLD.pool("train", 1, (0,)).take(0))
  away = Ego(*(jnp.float32(x) for x in (-1e5, 0, 0, 20, 0, 0)),
             jnp.asarray(-9), jnp.float32(20))  # fmt: skip
  change = jax.jit(mobil.change_lanes)
  rng = np.random.default_rng(0)
  agreed = changed = 0
  for _ in range(200):
    s = np.cumsum(rng.uniform(8.0, 30.0, 8)) + 100.0
    lane = rng.integers(LANES, size=8)
    speed, wish = rng.uniform(18, 26, 8), rng.uniform(24, 30, 8)
    road = _road()
    # highway-env counts lanes from the left, we count from the right.
    theirs = [
      _vehicle(road, *row)
      for row in zip(s, LANES - 1 - lane, speed, wish, strict=True)
    ]
    scene = level.replace(
      road=jnp.zeros(8, jnp.int32), size=jnp.full(8, 5.0),
      wish=jnp.asarray(wish, jnp.float32), driver=jnp.zeros(8),
      there=jnp.ones(8, bool), lanes=jnp.asarray(LANES),
      braking=jnp.full((8, 3), 1e6),
    )  # fmt: skip
    cars = Cars(
      jnp.asarray(s, jnp.float32), jnp.asarray(3.5 * lane, jnp.float32),
      jnp.asarray(speed, jnp.float32), jnp.zeros(8), jnp.asarray(lane),
    )  # fmt: skip
    for time, side in ((0, 1), (1, -1)):
      ours = np.asarray(change(scene, params, cars, away, jnp.asarray(time)))
      for i, vehicle in enumerate(theirs):
        to = int(lane[i]) + side
        if 0 <= to < LANES:
          wants = vehicle.mobil(("0", "1", LANES - 1 - to))
          agreed += bool(wants) == bool(ours[i] != lane[i])
          changed += bool(wants)
          assert bool(wants) == bool(ours[i] != lane[i])
  assert changed > 100
  assert agreed > 1000
