"""What every launch script shares: flags -> config -> one call."""

import dataclasses
import difflib
import logging
import os
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Mapping

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
  "config",
  None,
  "A file of configs/, e.g. configs/quickstart.py.",
  lock_config=False,
  accept_new_attributes=True,  # `build` tells which of them are fields
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder for all that the run writes, e.g. runs/quickstart."
)


class UsageError(ValueError):
  """Bad input: said in one line, without a traceback."""


def build(cls: type, values: Mapping, path: str = "config"):
  """A (nested) frozen dataclass from a ConfigDict; typos are errors.

  Raises:
    UsageError: a field is unknown (the nearest is named), missing or of
      another type, or the dataclass refuses its value.
  """
  fields = {f.name: f for f in dataclasses.fields(cls)}
  hints = typing.get_type_hints(cls)
  for name in values:
    if name not in fields:
      near = difflib.get_close_matches(name, fields, 1)
      hint = f"did you mean {near[0]!r}?" if near else f"known: {list(fields)}"
      raise UsageError(f"--{path}.{name} is no field: {hint}")
  arguments = {}
  for name, field in fields.items():
    if name in values:
      where = f"{path}.{name}"
      arguments[name] = _convert(hints[name], values[name], where)
    elif (
      field.default is dataclasses.MISSING
      and field.default_factory is dataclasses.MISSING
    ):
      raise UsageError(f"--{path}.{name} is missing: give it a value")
  try:
    return cls(**arguments)
  except ValueError as e:
    raise UsageError(f"--{path}: {e}") from e


def _convert(hint, value, path: str):
  if dataclasses.is_dataclass(hint):
    return build(hint, value, path)
  origin = typing.get_origin(hint)
  if origin in (typing.Union, types.UnionType):
    if value is None:
      return None
    (hint,) = (h for h in typing.get_args(hint) if h is not type(None))
    return _convert(hint, value, path)
  if origin is tuple:
    item = typing.get_args(hint)[0]
    if isinstance(value, str) or not hasattr(value, "__iter__"):
      example = (value,) if isinstance(value, item) else (0, 1)
      raise UsageError(f"--{path}={value!r} must be a tuple, e.g. {example}")
    return tuple(_convert(item, v, path) for v in value)
  if origin is dict or hint is dict:
    return dict(value)
  kinds = {float: (int, float), int: int, str: str, bool: bool}
  wrong = hint in kinds and not isinstance(value, kinds[hint])
  if wrong or (hint is not bool and isinstance(value, bool)):
    raise UsageError(f"--{path}={value!r} must be of type {hint.__name__}")
  return float(value) if hint is float else value


def _parse_flags(argv):
  try:
    rest = flags.FLAGS(argv)
  except (AttributeError, KeyError) as e:  # an override of no field
    said = " ".join(str(e.args[0]).replace("\\n", " ").split())
    raise UsageError(
      f"{said}: the config has no such section, see glimo_jax/config.py"
    ) from e
  except (flags.Error, OSError, SyntaxError) as e:
    # A config file that raises is told with its whole traceback.
    said = str(e).strip().splitlines()
    raise UsageError(said[-1] if "Traceback" in str(e) else str(e)) from e
  if len(rest) > 1:
    raise UsageError(f"{rest[1:]} are no flags: write --name=value")
  return rest


def run(
  stage: str,
  argv: list[str] | None = None,
  settings: Callable[[dict], None] = lambda values: None,
) -> None:
  """Parses the flags and calls `pipeline.<stage>(config, workdir)`.

  `settings` may change the config's values by flags of the script's own.
  """

  def main():
    values = _config()
    settings(values)
    # Imported here so that a mistyped flag is told before jax is loaded.
    from glimo_jax import pipeline
    from glimo_jax.agent import served
    from glimo_jax.config import Config

    config = build(Config, values)
    try:
      getattr(pipeline, stage)(config, _WORKDIR.value)
    except served.ServedError as e:  # its message says what to mend
      raise UsageError(str(e)) from e

  for flag in (_CONFIG, _WORKDIR):  # --help lists but the script's own flags
    flags.FLAGS.register_key_flag_for_module(
      sys.argv[0], flags.FLAGS[flag.name]
    )
  start(main, argv)


def start(main: Callable[[], None], argv: list[str] | None = None) -> None:
  """Parses the flags and calls `main`.

  Bad input ends the program with one line on stderr and exit code 2.
  """

  def guarded(_):
    try:
      main()
    except (UsageError, ValueError, FileNotFoundError) as e:
      if isinstance(e, UsageError) or _is_ours(e):
        _fail(e)
      raise

  _set_up_logging()
  os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
  # Compiled programs outlive the process: a restart skips their compilation.
  cache = pathlib.Path.home() / ".cache" / "glimo_jax" / "xla"
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
  try:
    app.run(guarded, argv=argv, flags_parser=_parse_flags)
  except UsageError as e:
    _fail(e)


def _set_up_logging() -> None:
  """Our own lines on stderr, with the time; of other libraries, warnings."""
  absl_logging.set_verbosity(absl_logging.WARNING)
  handler = logging.StreamHandler(sys.stderr)
  handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
  ours = logging.getLogger("glimo_jax")
  ours.setLevel(logging.INFO)
  ours.propagate = False
  ours.handlers = [handler]


def _config() -> dict:
  for flag, example in (
    (_CONFIG, "configs/quickstart.py"),
    (_WORKDIR, "runs/quickstart"),
  ):
    if flag.value is None or flag.value == "":
      raise UsageError(
        f"--{flag.name} is missing: e.g. --{flag.name}={example}"
      )
  try:
    return _CONFIG.value.to_dict()
  except OSError as e:  # ml_collections tells a missing file on first use
    raise UsageError(
      "--config names no readable file: e.g. --config=configs/quickstart.py"
    ) from e


def _is_ours(error: BaseException) -> bool:
  """Whether our own code raised it: then its message says value, rule, fix."""
  trace = error.__traceback__
  while trace.tb_next is not None:
    trace = trace.tb_next
  module = trace.tb_frame.f_globals.get("__name__", "")
  return module.split(".")[0] in ("glimo_jax", "simulators", "launch")


def _fail(error: BaseException) -> None:
  print(f"error: {error}", file=sys.stderr)
  sys.exit(2)
