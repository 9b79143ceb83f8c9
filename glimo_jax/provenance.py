"""What a result was made with: commit, library versions, memory, settings."""

import importlib.metadata
import os
import pathlib
import platform
import resource
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

_LIBRARIES = (
  "glimo_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy",
  "transformers", "tokenizers", "datasets", "scann",
)  # fmt: skip


def commit() -> str:
  """The commit of the code on disk; `+changes` where files were changed.

  Ask once, at the start: a file that changes later is not what runs.

  Returns:
    A hash in hex, or "unknown" where the code is in no repository.
  """
  root = pathlib.Path(__file__).parents[1]
  if not (root / ".git").exists():  # an installed package
    return "unknown"

  def git(*arguments: str) -> str:
    return subprocess.run(
      ["git", *arguments],
      cwd=root,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    ).stdout.strip()

  try:
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + "+changes" * bool(changed)
  except (OSError, subprocess.SubprocessError):
    return "unknown"


def peak_gib() -> float:
  """Most memory that this process has held so far, in GiB."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB else
  return peak / unit


def command() -> str:
  """The command line of this process, without local folders."""
  words = []
  for word in sys.orig_argv[1:]:
    flag, equals, value = word.rpartition("=")
    words.append(f"{flag}{equals}{portable(value)}")
  return shlex.join(["python", *words])


def environment() -> dict[str, Any]:
  """`peak_gib` of this process so far, its `command`, `versions`."""
  versions = {"python": platform.python_version()}
  for name in _LIBRARIES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return {
    "peak_gib": round(peak_gib(), 2),
    "command": command(),
    "versions": versions,
  }


def portable(settings: Any) -> Any:
  """Nested settings without local folders: a path keeps its last part only."""
  if isinstance(settings, Mapping):
    return {name: portable(value) for name, value in settings.items()}
  if isinstance(settings, list | tuple):
    return type(settings)(map(portable, settings))
  if isinstance(settings, str) and "://" not in settings:
    before, colon, path = settings.rpartition(":")  # as in tfds:/a/folder
    path = pathlib.PurePath(os.path.expanduser(path))
    if path.is_absolute():
      return f"{before}{colon}.../{path.name}"
  return settings
