"""Episodes as lists of moments, each with all actions since reset."""

import dataclasses
from collections.abc import Sequence

from glimo_jax.types import Experience
from simulators.base import LevelPool, World


def opening(
  world: World, variant: str, pool: LevelPool, level: int, seed: int, actor: str
) -> Experience:
  """The moment before the first action of an episode, without description."""
  return Experience(
    world=world.name,
    variant=variant,
    split=pool.split,
    level=int(level),
    level_hash=f"{int(pool.hashes[level]):016x}",
    depth=int(pool.depths[level]),
    seed=int(seed),
    actions=(),
    actor=actor,
    description="",
    instruction="",
    next_action=-1,
    next_description="",
    success=False,
  )


def history(
  start: Experience,
  texts: Sequence[str],
  goals: Sequence[str],
  actions: Sequence[int],
  success: bool,
) -> list[Experience]:
  """The moments of one episode, each with the actions before it.

  Args:
    start: the moment from `opening`.
    texts: n + 1 descriptions.
    goals: n + 1 instructions.
    actions: n actions (or more, which are ignored), after each text but the
      last.
    success: whether the episode reached its goal.
  """
  return [
    dataclasses.replace(
      start,
      actions=tuple(int(a) for a in actions[:t]),
      description=texts[t],
      instruction=goals[t],
      next_action=int(actions[t]),
      next_description=texts[t + 1],
      success=success,
    )
    for t in range(len(texts) - 1)
  ]
