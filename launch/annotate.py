"""Turn experience into a verified instruction dataset.

python -m launch.annotate --config=configs/quickstart.py --workdir=runs/x

--dry_run plans the rows and prints what they would ask and cost. --preview=8
drafts eight of them and prints each with its verdict. Neither writes anything.
"""

from typing import TYPE_CHECKING

from absl import flags

from launch import common

if TYPE_CHECKING:
  from glimo_jax.run import Run

_DRY_RUN = flags.DEFINE_bool(
  "dry_run", False, "Print planned rows, tokens and cost; send no request."
)
_PREVIEW = flags.DEFINE_integer(
  "preview", 0, "Draft and print this many rows only.", lower_bound=0
)


def _trial(run: "Run") -> bool:
  if not (_DRY_RUN.value or _PREVIEW.value):
    return False
  from glimo_jax.data import collect, trial

  if run.shares.count > 1:
    raise common.UsageError(
      "--dry_run and --preview run in one process: leave out --distributed"
    )
  source = run.finished("collect") / "experience.parquet"
  planned = run.tools(), collect.load(source), run.settings()
  if _DRY_RUN.value:
    teacher = run.config.teacher
    cost = teacher.cost if teacher.prices else None
    print(trial.estimate(*planned).table(cost))
  else:
    lm, memory = run.teacher, run.memory()
    for outcome in trial.preview(*planned, lm, memory, _PREVIEW.value):
      print(trial.shown(outcome, planned[2].forms), end="\n\n")
  return True


if __name__ == "__main__":
  common.run("annotate", instead=_trial)
