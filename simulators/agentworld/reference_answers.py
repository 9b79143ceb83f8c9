"""The answers to all kinds of question, for `reference`: one table."""

from simulators.agentworld import reference_futures, reference_sights
from simulators.agentworld.moments import ANSWERS

_WORDS = {
  name: getattr(file, name)
  for file, names in (
    (
      reference_sights,
      "where adjacent nearer distance apart aligned relative held exits task "
      "which_tool which_element opens can_open reachable way_bar if_open "
      "was_distance approached did_move",
    ),
    (
      reference_futures,
      "bump if_held nears next_distance takes pushes deadly why_barred lacking "
      "stopped plan good_start optimal_next better progress steps helps "
      "first_tool",
    ),
  )
  for name in names.split()
}

# Those that search the whole level, some milliseconds each.
SEARCHED = (
  "optimal_next", "steps", "better", "progress", "good_start", "helps",
  "first_tool",
)  # fmt: skip


def answer(game, kind: str, args) -> int:
  """See `reference.answer`."""
  if kind not in _WORDS:
    raise ValueError(
      f"question kind {kind!r} is unknown: kinds are {', '.join(_WORDS)}"
    )
  word = _WORDS[kind](game, *(int(x) for x in args))
  if isinstance(word, bool):
    word = "yes" if word else "no"
  if word not in ANSWERS:
    raise ValueError(
      f"question {kind}{tuple(args)} has no single answer here: ask it only "
      "where QuestionArrays.valid is True"
    )
  return ANSWERS.index(word)
