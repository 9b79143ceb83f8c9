"""How the simulator answers the questions of `questions`.

Each truth is a function of one moment and of a question's arguments and gives
(code, weight): the answer as an index into ANSWERS, and how gladly the
question is asked, 0 where it must not be. What happens is found by stepping
the dynamics without chance, what is best by the oracle.
"""

import flax.struct
import jax
import jax.numpy as jnp

from simulators.agentworld import dynamics, levels, oracle
from simulators.agentworld.types import (
  ACTIONS,
  ELEMENTS,
  KINDS,
  OOD_KINDS,
  TOOLS,
  Level,
  Params,
  Place,
)
from simulators.base import State

Array = jax.Array

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
# Every answer there is; an answer's code is its place here.
ANSWERS = (
  *("yes", "no"), *ACTIONS, *NUMBERS, *("wall", "nothing", "goal"),
  *TOOLS, *ELEMENTS,
)  # fmt: skip
YES, NO, UP, LEFT, ONE, WALL, NOTHING, GOAL, TOOL, ELEMENT = (
  ANSWERS.index(word)
  for word in (
    "yes", "no", "up", "left", "one", "wall", "nothing", "goal",
    TOOLS[0], ELEMENTS[0],
  )
)  # fmt: skip

ARGS = 4  # numbers that identify a question; -1 pads
TELLING = 20.0  # how much rather a move into an element than any other


@flax.struct.dataclass
class Scene:
  """What the truths of one moment are read from."""

  level: Level
  agent: Array  # i32[2]
  held: Array  # bool[P]
  opened: Array  # bool[P]
  boxes: Array  # i32[B, 2]
  params: Params
  word: Array  # i32[1 + P], code of each object
  place: Array  # i32[1 + P, 2]
  present: Array  # bool[1 + P], in sight and not in hand
  seen: Array  # bool[P], elements in sight
  floor: Array  # bool[S, S], joined to the agent by open floor
  cost: Array  # f32[A], steps to the goal after each move

  def move(self, action: Array, held: Array | None = None) -> "Scene":
    """The rules without chance; only what they change is new."""
    held = self.held if held is None else held
    place = Place(self.agent, held, self.opened, self.boxes)
    place = dynamics.move(self.level, place, action, self.params)
    return self.replace(
      agent=place.agent,
      held=place.held,
      opened=place.opened,
      boxes=place.boxes,
    )

  def beside(self, action: Array) -> Array:
    """i32[2]: the cell next to the agent."""
    return self.agent + jnp.asarray(dynamics.DELTAS)[action]

  def telling(self, action: Array) -> Array:
    """f32[]: the weight of a question about this move."""
    there = dynamics.at(self.level.element_at, self.beside(action))
    unseen = jnp.any(there & ~self.seen)
    return jnp.where(
      unseen, 0.0, jnp.where(jnp.any(there & ~self.opened), TELLING, 1.0)
    )


def scene(state: State, params: Params) -> Scene:
  """The scene of one state; vmap for more."""
  env, obs = state.env_state, state.obs
  level, size = env.level, env.level.wall.shape[-1]
  row, column = jnp.indices((size, size))
  closed = (row == level.element_at[:, 0, None, None]) & (
    column == level.element_at[:, 1, None, None]
  )
  shut = jnp.any(closed & ~env.opened[:, None, None], axis=0)
  start = (row == env.agent[0]) & (column == env.agent[1])
  floor = levels.flood(~level.wall & ~shut, start)
  return Scene(
    level=level,
    agent=env.agent,
    held=env.held,
    opened=env.opened,
    boxes=env.boxes,
    params=params,
    word=jnp.append(GOAL, TOOL + params.tool_id[level.tool_kind]),
    place=jnp.concatenate([level.goal[None], level.tool_at]),
    present=jnp.append(True, ~env.held & (obs.tool >= 0)),
    seen=obs.element >= 0,
    floor=floor,
    cost=oracle.costs(state, params),
  )


def _yes(truth: Array) -> Array:
  return jnp.where(truth, YES, NO)


def _where(moment: Scene, args: Array):
  offset = (moment.place[args[0]] - moment.agent)[args[1]]
  code = jnp.where(args[1] == 0, UP, LEFT)
  code = jnp.where(offset > 0, code + 1, code)  # down, right
  return code, moment.present[args[0]] & (offset != 0)


def _adjacent(moment: Scene, args: Array):
  cell, level = moment.beside(args[0]), moment.level
  size = level.wall.shape[-1]
  row, column = jnp.clip(cell, 0, size - 1)
  wall = jnp.any((cell < 0) | (cell >= size)) | level.wall[row, column]
  thing = dynamics.at(moment.place, cell) & ~jnp.append(False, moment.held)
  element = dynamics.at(level.element_at, cell)
  name = ELEMENT + moment.params.element_id[level.element_kind]
  code = jnp.select(
    [wall, jnp.any(element), jnp.any(thing)],
    [WALL, name[jnp.argmax(element)], moment.word[jnp.argmax(thing)]],
    NOTHING,
  )
  hidden = jnp.any(thing & ~moment.present) | jnp.any(element & ~moment.seen)
  return code, ~hidden


def _nearer(moment: Scene, args: Array):
  steps = jnp.sum(jnp.abs(moment.place - moment.agent), axis=-1)
  first, second = args[0], args[1]
  code = moment.word[jnp.where(steps[first] < steps[second], first, second)]
  both = moment.present[first] & moment.present[second]
  return code, both & (steps[first] != steps[second])


def _which_tool(moment: Scene, args: Array):
  params, here = moment.params, moment.params.element_id == args[0]
  told = params.nominal[:, jnp.argmax(here)]
  kind = jnp.arange(KINDS)
  usual = (kind < KINDS - OOD_KINDS) | jnp.any(
    kind[:, None] == moment.level.element_kind, axis=-1
  )  # a chain kept for `ood-chain` is not given away elsewhere
  code = TOOL + params.tool_id[jnp.argmax(told)]
  return code, jnp.any(here & usual) & (jnp.sum(told) == 1)


def _bump(moment: Scene, args: Array):
  moved = jnp.any(moment.move(args[0]).agent != moment.agent)
  return _yes(moved), moment.telling(args[0])


def _if_held(moment: Scene, args: Array):
  tool = jnp.arange(moment.held.shape[0]) == args[0]
  after = moment.move(args[1], moment.held | tool)
  asked = moment.present[1 + args[0]]
  code = _yes(jnp.any(after.agent != moment.agent))
  return code, jnp.where(asked, moment.telling(args[1]), 0.0)


def _reachable(moment: Scene, args: Array):
  row, column = moment.place[args[0]]
  return _yes(moment.floor[row, column]), moment.present[args[0]]


def _optimal_next(moment: Scene, args: Array):
  del args
  best = moment.cost == jnp.min(moment.cost)
  alone = (jnp.sum(best) == 1) & jnp.any(jnp.isfinite(moment.cost))
  return UP + jnp.argmin(moment.cost), alone


def _plan(moment: Scene, args: Array):
  # Walls further off go unsaid in a description: only plans whose later moves
  # meet none are asked about, so that the words decide the answer.
  goal, clear, here = moment.level.goal, jnp.ones((), bool), moment
  for i in range(1, ARGS):
    over = (args[i] < 0) | jnp.all(here.agent == goal)
    new = here.move(args[i])
    after = jax.tree.map(
      lambda old, new, over=over: jnp.where(over, old, new),
      (here.agent, here.held, here.opened),
      (new.agent, new.held, new.opened),
    )
    stuck = jnp.all(after[0] == here.agent) & (args[i] >= 0)
    clear &= ~stuck if i > 1 else True
    here = here.replace(agent=after[0], held=after[1], opened=after[2])
  there = jnp.all(here.agent == moment.place[args[0]])
  return _yes(there), moment.present[args[0]] & clear


def _steps(moment: Scene, args: Array):
  del args
  fewest = jnp.min(moment.cost)
  known = fewest <= len(NUMBERS)
  number = jnp.where(known, fewest, 1.0).astype(jnp.int32)
  return ONE + number - 1, known


TRUTHS = {
  "where": _where,
  "adjacent": _adjacent,
  "nearer": _nearer,
  "which_tool": _which_tool,
  "bump": _bump,
  "if_held": _if_held,
  "reachable": _reachable,
  "optimal_next": _optimal_next,
  "plan": _plan,
  "steps": _steps,
}
