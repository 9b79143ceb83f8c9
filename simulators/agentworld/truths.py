"""How the simulator answers each kind of question: one table.

A truth gives (code, weight), see `moments`. What can be read off the moment
is in `sights`, what needs moving on or the oracle in `futures`.
"""

from simulators.agentworld import futures, sights

TRUTHS = {
  name: getattr(file, name)
  for file, names in (
    (
      sights,
      "where adjacent nearer distance apart aligned relative held exits task "
      "which_tool which_element opens can_open reachable way_bar if_open "
      "was_distance approached did_move",
    ),
    (
      futures,
      "bump if_held nears next_distance takes pushes deadly why_barred lacking "
      "stopped plan good_start optimal_next better progress steps helps "
      "first_tool",
    ),
  )
  for name in names.split()
}
