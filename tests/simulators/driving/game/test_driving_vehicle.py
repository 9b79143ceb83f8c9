"""The ego's bicycle compared with CommonRoad's BMW 320i.

Althoff and Wuersching, "CommonRoad: Vehicle Models" (2020), the kinematic
single-track model, reference point the rear axle:

    x' = v cos(psi)   y' = v sin(psi)   psi' = v / l tan(delta)
    delta' = u1       v' = u2

Vehicle 2, BMW 320i: l = 1.1561957064 + 1.4227170936 m. Our reference
point is half a wheelbase ahead, where the same car moves at v / cos(slip).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from vehiclemodels.parameters_vehicle2 import parameters_vehicle2
from vehiclemodels.vehicle_dynamics_ks import vehicle_dynamics_ks

from simulators.driving.game import vehicle

L = 1.1561957064 + 1.4227170936  # m, wheelbase
SPEED = 8.0  # m/s at the start
SECONDS = 10
# (x, y, psi) of the rear axle after each two seconds of `_inputs`: the
# equations above by Runge-Kutta of fourth order with steps of 1 ms.
STORED = (
  (17.459814073, 3.000927583, 0.459783458),
  (31.996893667, 17.188170655, 0.938318987),
  (46.919903175, 30.733954908, 0.404497501),
  (64.245683217, 33.140244750, 0.002610539),
  (77.854908440, 35.150629432, 0.375008571),
)


def _inputs(t):
  """(u1, u2) rad/s, m/s2: a slalom while the speed varies by 2.5 m/s."""
  return 0.08 * math.cos(0.8 * t), 1.0 * math.cos(0.4 * t)


def _integrate(rates, dt=1e-3):
  """(x, y, psi) every two seconds, of x' = rates(x, inputs)."""
  x, out = np.array([0.0, 0.0, 0.0, SPEED, 0.0]), []
  for i in range(round(SECONDS / dt)):
    t = i * dt
    one = np.array(rates(x, _inputs(t)))
    two = np.array(rates(x + 0.5 * dt * one, _inputs(t + 0.5 * dt)))
    three = np.array(rates(x + 0.5 * dt * two, _inputs(t + 0.5 * dt)))
    four = np.array(rates(x + dt * three, _inputs(t + dt)))
    x = x + dt / 6.0 * (one + 2.0 * two + 2.0 * three + four)
    if (i + 1) % round(2 / dt) == 0:
      out.append((x[0], x[1], x[4]))
  return np.array(out)


def _published(x, u):
  """The right-hand side of the equations above."""
  _, _, delta, v, psi = x
  return (
    v * math.cos(psi), v * math.sin(psi), *u, v / L * math.tan(delta)
  )  # fmt: skip


def _ours(dt):
  """(x, y, psi) of the rear axle every two seconds, by `vehicle.bicycle`."""
  times = dt * jnp.arange(round(SECONDS / dt), dtype=jnp.float32)
  delta = 0.1 * jnp.sin(0.8 * times)  # the integral of _inputs
  rear = SPEED + 2.5 * jnp.sin(0.4 * times)
  middle = rear / jnp.cos(jnp.arctan(0.5 * jnp.tan(delta)))

  def step(pose, now):
    *pose, _ = vehicle.bicycle(*pose, *now, jnp.float32(0.0), dt, wheelbase=L)
    return tuple(pose), jnp.stack(pose)

  start = (jnp.float32(0.5 * L), jnp.float32(0.0), jnp.float32(0.0))
  _, path = jax.lax.scan(step, start, (middle, delta))
  x, y, psi = np.asarray(path)[round(2 / dt) - 1 :: round(2 / dt)].T
  return np.stack([x - 0.5 * L * np.cos(psi), y - 0.5 * L * np.sin(psi), psi]).T


@pytest.mark.parametrize("dt", [0.1, 0.05, 0.01])
def test_bicycle_equals_a_bmw_320i(dt):
  """Within a metre after 80 m of slalom at the world's step of 0.1 s.

  Euler's error is of first order: the bound is ten times the step.
  """
  metres = 10.0 * dt
  ours = _ours(dt)
  np.testing.assert_allclose(ours[:, :2], np.array(STORED)[:, :2], atol=metres)
  np.testing.assert_allclose(ours[:, 2], np.array(STORED)[:, 2], atol=0.25 * dt)


def test_stored_numbers_equal_the_equations():
  np.testing.assert_allclose(_integrate(_published, 1e-2), STORED, atol=1e-6)


def test_commonroad_package_equals_the_stored_numbers():
  """Runs CommonRoad's code and parameters and compares them with ours."""
  bmw = parameters_vehicle2()
  assert bmw.a + bmw.b == pytest.approx(L, abs=1e-12)
  theirs = _integrate(
    lambda x, u: vehicle_dynamics_ks(list(x), list(u), bmw), 1e-2
  )
  np.testing.assert_allclose(theirs, STORED, atol=1e-6)
  np.testing.assert_allclose(_ours(0.1)[:, :2], theirs[:, :2], atol=1.0)
