"""A moment: one state with the simulated future of each action."""

import flax.struct
import jax
import jax.numpy as jnp

from simulators.base import State
from simulators.driving.game import dynamics, oracle
from simulators.driving.types import (
  ACTIONS,
  FAR,
  KEEP,
  Array,
  Cars,
  Config,
  Ego,
  EnvState,
  Meters,
  Obs,
  Params,
)

LOOK = 6  # number of decisions that are simulated after each action


@flax.struct.dataclass
class Future:
  """The future of a moment; leaves may have leading axes for actions, time."""

  ego: Ego
  cars: Cars
  meters: Meters
  ended: Array  # bool, success or failure; from then on nothing changes


@flax.struct.dataclass
class Moment:
  """Everything that the true answers about one state are computed from."""

  env: EnvState
  obs: Obs
  params: Params
  cost: Array  # f32[A] s, of each action, by the planner
  lead: Array  # i32, the nearest car seen ahead in the ego's lane
  led: Array  # bool, whether there is one
  futures: Future  # leaves [A, LOOK, ...]: each action, then `keep`
  config: Config = flax.struct.field(pytree_node=False)

  def after(self, action: Array | int, seconds: int) -> Future:
    """The future `seconds` after an action, followed by `keep`."""
    return jax.tree.map(lambda x: x[action, seconds - 1], self.futures)

  def play(self, plan: Array) -> Future:
    """The future after a plan i32[T]."""
    futures = play(self.env, self.params, plan, self.config)
    return jax.tree.map(lambda x: x[-1], futures)

  @property
  def line(self) -> Array:
    """f32[] m to the stop line, else to the crosswalk; -1 without either."""
    return jnp.where(self.obs.line > 0, self.obs.line, self.obs.walk)


def moment(state: State, params: Params, config: Config) -> Moment:
  """The moment of one state; vmap for more."""
  obs, env = state.obs, state.env_state
  ahead = obs.car_seen & (obs.car_road == 0) & (obs.car_side == 0)
  ahead &= obs.car_gap >= 0.0
  gap = jnp.where(ahead, obs.car_gap, FAR)
  plans = jnp.full((len(ACTIONS), LOOK), KEEP)
  plans = plans.at[:, 0].set(jnp.arange(len(ACTIONS)))
  return Moment(
    env=env,
    obs=obs,
    params=params,
    cost=oracle.costs(env, params, config),
    lead=jnp.argmin(gap),
    led=jnp.any(ahead),
    futures=jax.vmap(lambda plan: play(env, params, plan, config))(plans),
    config=config,
  )


def play(env: EnvState, params: Params, plan: Array, config: Config) -> Future:
  """What follows from a plan i32[T]; leaves [T, ...], one for each decision."""

  def take(env: EnvState, action: Array) -> tuple[EnvState, Future]:
    new = dynamics.advance(env, action, params, config)
    new = jax.tree.map(lambda a, b: jnp.where(env.ended, a, b), env, new)
    return new, Future(new.ego, new.cars, new.meters, new.ended)

  return jax.lax.scan(take, env, plan)[1]
