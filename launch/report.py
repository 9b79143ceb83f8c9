"""Put runs side by side: fragments of arms and seeds into one report.

python -m launch.report --folder=docs/results/recipe --runs=runs/recipe

Copies the fragment.json of each run below --runs (if given) and of --suite into
--folder, then merges all fragments there into report.json and report.html. In a
folder with a report.json alone, such as docs/results/quickstart, it draws
report.html again.
"""

import pathlib

from absl import flags

from launch import common

_FOLDER = flags.DEFINE_string(
  "folder", None, "Folder of fragments, where the report is written."
)
_RUNS = flags.DEFINE_string(
  "runs", "", "Folder of finished runs whose fragments are copied."
)
_SUITE = flags.DEFINE_string("suite", "test", "Suite they were judged on.")


def main() -> None:
  from glimo_jax.evaluate import settings
  from glimo_jax.evaluate.report import fragments, merging, report

  if not _FOLDER.value:
    raise common.UsageError(
      "--folder is missing: e.g. --folder=docs/results/recipe"
    )
  folder = pathlib.Path(_FOLDER.value)
  if _SUITE.value not in settings.SUITES:
    raise common.UsageError(
      f"--suite={_SUITE.value} is not one of {', '.join(settings.SUITES)}"
    )
  if (folder / "train").exists() or (folder.exists() and not folder.is_dir()):
    raise common.UsageError(
      f"--folder={folder} is a run or a file: name a folder for fragments alone"
    )
  names = {report.JSON, report.HTML}
  there = {
    path.name: fragments.read(path)
    for path in sorted(folder.glob("*.json"))
    if path.name not in names
  }
  taken = {}
  if _RUNS.value:
    if not pathlib.Path(_RUNS.value).is_dir():
      raise common.UsageError(
        f"--runs={_RUNS.value} is no folder of runs: e.g. --runs=runs/recipe"
      )
    for run in sorted(pathlib.Path(_RUNS.value).iterdir()):
      path = report.folder(run, _SUITE.value) / fragments.NAME
      if path.exists():
        found = fragments.read(path)
        taken[f"{found.arm}-{found.seed}.json"] = found
  if not there | taken and (folder / report.JSON).exists():
    report.draw(report.read(folder), folder)
    print(f"report: {folder / report.HTML}")
    return
  if not there | taken:
    raise common.UsageError(
      f"{folder} holds no fragment: name finished runs with --runs"
    )
  # Before any is written: what does not belong here is not taken in.
  merged = merging.merge([*(there | taken).values()])
  for name, fragment in taken.items():
    fragments.write(folder / name, fragment)
  report.write(merged, folder)
  print(report.table(merged))
  print(f"report: {folder / report.HTML}")


if __name__ == "__main__":
  common.start(main)
