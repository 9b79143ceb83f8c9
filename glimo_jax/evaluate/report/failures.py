"""Failed episodes that are worth looking at."""

from collections.abc import Mapping
from typing import Any

from glimo_jax.evaluate.suite import Result

_SHOWN = 3  # failed episodes kept as text
_RIVALS = ("script", "base", "mlp")  # where these succeed, it could be done


def worth_looking_at(results: Mapping[str, Result]) -> list[dict[str, Any]]:
  """Failed episodes of the tuned model on the first benchmark.

  Levels that the most rivals solve come first: there the text holds all that
  is needed. Each is {"benchmark", "level", "depth", "ended", "optimal_steps",
  "texts", "actions", "scores", "solved_by"}; `scores` holds, before each
  action, action -> score, without the actions that were tried before.
  """
  for name, result in results.items():
    runs = {arm: result.acted[arm] for arm in _RIVALS if arm in result.acted}
    lost = [
      (episode, [arm for arm, run in runs.items() if run[i].success])
      for i, episode in enumerate(result.acted.get("tuned", ()))
      if not episode.success
    ]
    lost.sort(key=lambda pair: -len(pair[1]))  # keeps the order of equals
    return [
      {
        "benchmark": name,
        "level": e.index,
        "depth": e.depth,
        "ended": e.ended,
        "optimal_steps": e.optimal_steps,
        "texts": list(e.texts),
        "actions": list(e.actions),
        "scores": [dict(step) for step in e.scores],
        "solved_by": solvers,
      }
      for e, solvers in lost[:_SHOWN]
    ]
  return []
