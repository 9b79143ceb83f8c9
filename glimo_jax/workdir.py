"""A run's folder: a subfolder for each stage, started, finished and guarded.

    <workdir>/<stage>/settings.json   the settings that shape the stage's files
    <workdir>/<stage>/DONE.json       written last: seconds and a summary
    <workdir>/<stage>/.lock           held while a process works on the stage;
                                      holds the seconds of earlier attempts

Stages are collect, annotate and train, the same again in each on-policy round
(round-1/collect, ...), and evaluate. A finished stage returns at once. A killed
stage resumes from the files it had written. A stage that was made with other
settings is an error, unless its folder holds only the settings and empty files.
The time of a stage is the sum over all attempts, each up to its last file.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from glimo_jax import fields, files
from glimo_jax.files import PathLike

_log = logging.getLogger(__name__)

SETTINGS, DONE, LOCK = "settings.json", "DONE.json", ".lock"
STAGES = ("collect", "annotate", "train")  # of the first pass and each round

# Stage -> sections of the config that shape its files, beside those of the
# stages before it.
_SECTIONS = {
  "collect": ("world", "model", "collect"),
  "annotate": ("teacher", "annotate"),
  "train": ("lora", "train"),
  "round": ("rounds",),
  "evaluate": ("evaluate",),
}
# Section -> fields that change nothing that a stage makes. Those of `train` are
# `train.step.CHANGEABLE`; `teacher.extra_body` is a part of the journal's keys.
_FREE = {
  "teacher": (
    "base_url", "api_key_env", "concurrency", "timeout", "retries", "backoff",
    "prices", "budget", "max_answer_bytes", "extra_body",
  ),
  "train": (
    "remat", "checkpoint_every", "log_every", "tensorboard", "profile_steps",
  ),
}  # fmt: skip


@dataclasses.dataclass
class Stage:
  """One stage's folder while it is worked on.

  Attributes:
    name: of the stage.
    path: the folder.
    finished: whether an earlier run has completed it.
    summary: what DONE.json says of the stage, or will say.
    started: start on the monotonic clock, moved back by the seconds of
      earlier attempts.
  """

  name: str
  path: pathlib.Path
  finished: bool
  summary: dict[str, Any]
  started: float

  @property
  def seconds(self) -> float:
    """Seconds worked on the stage so far, by all attempts."""
    return round(time.monotonic() - self.started, 1)


def stage_name(stage: str, round_: int = 0) -> str:
  """The name, and subfolder, of a stage of a round; 0 is the first pass."""
  if round_ < 0:
    raise ValueError(f"round {round_} must be at least 0: 0 is the first pass")
  return f"round-{round_}/{stage}" if round_ else stage


def stages_before(name: str, rounds: int, own_data: bool) -> list[str]:
  """The stages whose files stage `name` builds upon, in order.

  Args:
    name: a stage.
    rounds: number of on-policy rounds of the run.
    own_data: whether the run collects and annotates its own data; another
      run's dataset has no stages here.
  """
  order = [stage_name(s, n) for n in range(rounds + 1) for s in STAGES]
  if name in order:
    order = order[: order.index(name)]
  return order if own_data else [s for s in order if s not in STAGES[:2]]


def shaping_settings(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
  """The settings that shape a stage's files.

  Args:
    settings: all of a run's, section -> field -> value.
    name: the stage.
  """
  kind = name.split("-")[0]
  earlier = list(_SECTIONS)[: list(_SECTIONS).index(kind) + 1]
  names = [name for k in earlier for name in _SECTIONS[k]]
  if settings["collect"].get("actors", {}).get("agent"):
    names.append("teacher")  # it plays
  sections = _without_free({name: dict(settings[name]) for name in names})
  if kind == "round":  # adding a round does not change earlier ones
    del sections["rounds"]["count"]
  return sections


def _without_free(sections: dict[str, Any]) -> dict[str, Any]:
  """Removes what a restart may change, and skills that write no rows."""
  for section, names in _FREE.items():
    for name in names:
      sections.get(section, {}).pop(name, None)
  annotate, also = sections.get("annotate", {}), sections.get("rounds", {})
  if "skills" in annotate:
    used = {**annotate["skills"]}
    for name, skill in annotate["skills"].items():
      if not (skill.get("rows") or also.get("rows", {}).get(name)):
        del used[name]
    annotate["skills"] = used
  return sections


@contextlib.contextmanager
def stage(
  root: PathLike, name: str, settings: Mapping[str, Any]
) -> Iterator[Stage]:
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
    summary = _read(path / DONE)
    _log.info("%s: done before (%.0f s), in %s", name, summary["wall_s"], path)
    yield Stage(name, path, True, summary, time.monotonic())
    return
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ValueError(
      f"workdir {root} cannot be written ({error.strerror}): name a folder of "
      "your own with --workdir"
    ) from error
  with _locked(path) as before:
    _guard(path / SETTINGS, settings)
    _log.info("%s: starts, in %s", name, path)
    current = Stage(name, path, False, {}, time.monotonic() - before)
    yield current
    current.summary["wall_s"] = current.seconds
    files.write_json(path / DONE, current.summary)
    _log.info("%s: done in %.0f s", name, current.summary["wall_s"])


@contextlib.contextmanager
def follow(root: PathLike, name: str, finished: bool) -> Iterator[Stage]:
  """Opens a stage whose files another process of the run writes.

  Args:
    root: the run's folder, the same for all processes.
    name: the stage.
    finished: whether an earlier run has completed it, as that process says.
  """
  path = pathlib.Path(root) / name
  if finished:  # a shared folder may show it late
    files.wait_for(path / DONE)
  summary = _read(path / DONE) if finished else {}
  yield Stage(name, path, finished, summary, time.monotonic())
  files.wait_for(path / DONE)


def check(root: PathLike, name: str, settings: Mapping[str, Any]) -> None:
  """Raises ValueError where a finished stage was made with other settings."""
  path = pathlib.Path(root) / name
  if (path / DONE).exists():
    _guard(path / SETTINGS, settings)


def require(root: PathLike, name: str) -> pathlib.Path:
  """The folder of a finished stage.

  Raises:
    FileNotFoundError: it is not finished; names the script that makes it.
  """
  path = pathlib.Path(root) / name
  script = "improve" if name.startswith("round-") else name
  if not (path / DONE).exists():
    raise FileNotFoundError(
      f"{path} is no finished stage: run python -m launch.{script} with the "
      f"same --config and --workdir={root} first"
    )
  return path


def last_training(root: PathLike) -> pathlib.Path:
  """The folder of the training of the last finished round.

  Raises:
    FileNotFoundError: there is none.
  """
  round_ = 0
  while (pathlib.Path(root) / stage_name("train", round_ + 1) / DONE).exists():
    round_ += 1
  return require(root, stage_name("train", round_))


def summary(root: PathLike, name: str) -> dict[str, Any]:
  """The summary of a finished stage."""
  return _read(require(root, name) / DONE)


def settings_of(path: PathLike) -> dict[str, Any]:
  """The settings that a stage's folder was made with; {} where none stand."""
  kept = pathlib.Path(path) / SETTINGS
  return _read(kept) if kept.exists() else {}


def _read(path: pathlib.Path) -> Any:
  fix = "delete the folder it lies in and run its stage again"
  values = files.read_json(path, fix)
  if path.name == DONE and "wall_s" not in values:
    raise ValueError(f"{path} is damaged (no wall_s): {fix}")
  return values


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[float]:
  """Holds the stage's lock, which the system frees if the process dies.

  Yields the seconds that earlier attempts have worked on the stage.
  """
  try:
    lock = open(path / LOCK, "a+")  # noqa: SIM115 (closed below)
  except OSError as error:
    raise ValueError(
      f"{path} cannot be written ({error.strerror}): name a folder of your own "
      "with --workdir"
    ) from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise ValueError(
        f"{path} is being worked on by another process: wait for it, stop it, "
        "or use another --workdir"
      ) from error
    lock.seek(0)
    before = _seconds_before(path, lock.read())
    lock.truncate(0)
    lock.write(f"{before:.1f}\n")
    lock.flush()
    yield before


def _seconds_before(path: pathlib.Path, content: str) -> float:
  """Seconds that the lock names plus those of the attempt that wrote it."""
  try:
    before = float(content)
  except ValueError:  # the first attempt
    return 0.0
  last = max(file.stat().st_mtime for file in path.rglob("*"))
  return before + max(0.0, last - (path / LOCK).stat().st_mtime)


def _guard(path: pathlib.Path, settings: Mapping[str, Any]) -> None:
  now = json.loads(json.dumps(settings))
  if not path.exists():
    files.write_json(path, now)
    return
  there = _without_free(_read(path))
  others = [p for p in path.parent.iterdir() if p.name not in (SETTINGS, LOCK)]
  left = [p for p in others if p.is_dir() or p.stat().st_size]
  if there != now and not left:
    files.write_json(path, now)  # the run that made it stopped before any work
  elif changed := fields.differences(there, now, "config"):
    raise ValueError(
      f"{path.parent} was made with other settings:\n"
      + "\n".join(f"  --{line}" for line in changed)
      + "\nGo back to those settings, or use another --workdir: the folder may "
      "hold answers that were paid for."
    )
