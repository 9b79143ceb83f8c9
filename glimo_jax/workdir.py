"""A run's folder: one subfolder a stage, each started, finished and guarded.

    <workdir>/<stage>/settings.json   the settings that shape the stage
    <workdir>/<stage>/DONE.json       written last: seconds and a summary
    <workdir>/<stage>/.lock           held while a process works on the stage;
                                      says how long others did before it

A stage that is done returns at once; one that was killed starts again on what
it left; one that was made with other settings is an error, never overwritten,
unless it has left nothing but its settings. Its seconds are those of all its
attempts, each up to the last file that it wrote.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import pathlib
import time
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger(__name__)


SETTINGS, DONE, LOCK = "settings.json", "DONE.json", ".lock"


@dataclasses.dataclass
class Stage:
  """One stage's folder while it is worked on.

  Attributes:
    path: the folder.
    finished: whether an earlier run has completed it.
    summary: what DONE.json will say, or says, of the stage.
    started: time.monotonic() of its opening, less what was worked before.
  """

  path: pathlib.Path
  finished: bool
  summary: dict[str, Any]
  started: float


@contextlib.contextmanager
def stage(root, name: str, settings: dict[str, Any]) -> Iterator[Stage]:
  """Opens stage `name` of run `root`; marks it done if the block completes.

  Args:
    root: the run's folder.
    name: the stage, also its subfolder.
    settings: nested JSON-able settings on which the stage's files depend.

  Raises:
    ValueError: the folder was made with other settings (they are listed),
      cannot be made, or is being worked on by another process.
  """
  path = pathlib.Path(root) / name
  if (path / DONE).exists():  # nothing is written: it may be an archive
    _guard(path / SETTINGS, settings)
    summary = read_json(path / DONE)
    _log.info("%s: done before (%.0f s), in %s", name, summary["wall_s"], path)
    yield Stage(path, True, summary, time.monotonic())
    return
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ValueError(
      f"workdir {root} cannot be written ({error.strerror}): name a folder of "
      "your own with --workdir"
    ) from error
  with _alone(path) as before:
    _guard(path / SETTINGS, settings)
    _log.info("%s: starts, in %s", name, path)
    current = Stage(path, False, {}, time.monotonic() - before)
    yield current
    current.summary["wall_s"] = round(time.monotonic() - current.started, 1)
    write_json(path / DONE, current.summary)
    _log.info("%s: done in %.0f s", name, current.summary["wall_s"])


def check(root, name: str, settings: dict[str, Any]) -> None:
  """Raises ValueError where a finished stage was made with other settings."""
  path = pathlib.Path(root) / name
  if (path / DONE).exists():
    _guard(path / SETTINGS, settings)


def require(root, name: str) -> pathlib.Path:
  """The folder of a finished stage.

  Raises:
    FileNotFoundError: it is not finished; says which script makes it.
  """
  path = pathlib.Path(root) / name
  script = "improve" if name.startswith("round-") else name
  if not (path / DONE).exists():
    raise FileNotFoundError(
      f"{path} is no finished stage: run python -m launch.{script} with the "
      f"same --config and --workdir={root} first"
    )
  return path


def summary(root, name: str) -> dict[str, Any]:
  """What a finished stage said of itself."""
  return read_json(require(root, name) / DONE)


def read_json(path: pathlib.Path) -> Any:
  """What a file of a stage holds; ValueError where it is damaged."""
  try:
    return json.loads(path.read_text())
  except ValueError as error:
    raise ValueError(
      f"{path} is damaged ({error}): delete the folder it lies in and run its "
      "stage again"
    ) from error


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes JSON so that a reader sees the old file or the new, never half."""
  partial = path.with_suffix(".partial")
  partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
  partial.replace(path)


@contextlib.contextmanager
def _alone(path: pathlib.Path) -> Iterator[float]:
  """Holds the stage's lock, which the system frees if the process dies.

  Yields the seconds that earlier attempts have worked on the stage.
  """
  with open(path / LOCK, "a+") as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise ValueError(
        f"{path} is being worked on by another process: wait for it, stop it, "
        "or use another --workdir"
      ) from error
    lock.seek(0)
    before = _worked(path, lock.read())
    lock.truncate(0)
    lock.write(f"{before:.1f}\n")
    lock.flush()
    yield before


def _worked(path: pathlib.Path, said: str) -> float:
  """Seconds: what the lock says, and the attempt that wrote it."""
  try:
    before = float(said)
  except ValueError:  # the first attempt
    return 0.0
  last = max(file.stat().st_mtime for file in path.rglob("*"))
  return before + max(0.0, last - (path / LOCK).stat().st_mtime)


def _guard(path: pathlib.Path, settings: dict[str, Any]) -> None:
  now = json.loads(json.dumps(settings))
  if not path.exists():
    write_json(path, now)
    return
  there = read_json(path)
  left = {p.name for p in path.parent.iterdir()} - {SETTINGS, LOCK}
  if there != now and not left:
    write_json(path, now)  # the run that made it stopped before any work
  elif there != now:
    raise ValueError(
      f"{path.parent} was made with other settings:\n"
      + "\n".join(differences(there, now))
      + "\nUse another --workdir, or delete that folder and those after it."
    )


def differences(there: Any, now: Any, path: str = "config") -> list[str]:
  """One line for each leaf in which two nested settings differ."""
  if isinstance(there, dict) and isinstance(now, dict):
    return [
      line
      for key in sorted({*there, *now})
      for line in differences(there.get(key), now.get(key), f"{path}.{key}")
    ]
  return [] if there == now else [f"  --{path}: {there!r} there, {now!r} now"]
