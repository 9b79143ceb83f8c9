"""How the simulator answers each kind of question: one table.

A truth gives (code, weight), see `moments`. What can be read off the moment
is in `sights`, what needs driving on in `futures`.
"""

from simulators.driving import futures, sights

TRUTHS = {
  name: getattr(file, name)
  for file, names in (
    (
      sights,
      "light lane people beside pace reach gap limit halt in_time cut_in "
      "eased distance safe rule room way did came",
    ),
    (
      futures,
      "speed_after harm plan better best "
      "saves cause over brake nearer slows change hit",
    ),
  )
  for name in names.split()
}
