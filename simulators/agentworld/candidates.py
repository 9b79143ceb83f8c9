"""The questions of a kind that a moment could be asked, as numbers."""

import itertools

import jax.numpy as jnp

from simulators.agentworld import sights
from simulators.agentworld.moments import ARGS, Array, Moment
from simulators.agentworld.types import ACTIONS, ELEMENTS, PAST

_ALONE = ("optimal_next", "steps", "exits", "task", "first_tool")  # no args


def every(kind: str, now: Moment) -> Array:
  """i32[N, ARGS]: every question of a kind that a level could hold."""
  pairs = now.level.tool_kind.shape[0]
  moves, objects = range(len(ACTIONS)), range(1 + pairs)
  things = range(pairs)
  params = now.params
  if kind == "which_element":
    return _padded(params.tool_id[:, None])
  if kind == "opens":
    both = jnp.meshgrid(params.tool_id, params.element_id)
    return _padded(jnp.stack(both, -1).reshape(-1, 2))
  if kind == "did_move":
    return _padded(now.tried[None, :1])
  if kind in ("was_distance", "approached"):
    return jnp.stack(
      [
        jnp.append(thing, sights.recall(now, steps))
        for thing in objects
        for steps in range(2, PAST + 1)
      ]
    )
  plans = [
    (*plan, -1)[: ARGS - 1]
    for length in (2, 3)
    for plan in itertools.product(moves, repeat=length)
    if all({a, b} not in ({0, 1}, {2, 3}) for a, b in itertools.pairwise(plan))
  ]
  each, pairwise = itertools.product, itertools.permutations
  rows = {
    "which_tool": each(range(len(ELEMENTS))),
    "if_held": each(things, moves),
    "plan": [(target, *plan) for target in objects for plan in plans],
    "if_open": each(things, objects),
    "relative": [
      (*two, axis) for two in pairwise(objects, 2) for axis in range(2)
    ],
    "better": pairwise(moves, 2),
    "good_start": [plan[:2] for plan in plans if plan[2] < 0],
    "stopped": [plan for plan in plans if plan[2] >= 0],
    **{name: each(objects, range(2)) for name in ("where", "aligned")},
    **{name: pairwise(objects, 2) for name in ("nearer", "apart")},
    **{name: each(objects) for name in ("reachable", "way_bar", "distance")},
    **{name: each(things) for name in ("held", "helps", "can_open")},
    **{name: each(moves, objects) for name in ("nears", "next_distance")},
    **{name: [()] for name in _ALONE},
  }.get(kind, each(moves))
  padded = [(*row, *[-1] * (ARGS - len(row))) for row in rows]
  return jnp.array(padded, jnp.int32)


def _padded(args: Array) -> Array:
  """i32[N, ARGS] of i32[N, n]."""
  pad = ((0, 0), (0, ARGS - args.shape[-1]))
  return jnp.pad(args.astype(jnp.int32), pad, constant_values=-1)
