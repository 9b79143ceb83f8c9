"""What every launch script shares: flags -> config -> one call."""

import hashlib
import logging
import os
import pathlib
import platform
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

if TYPE_CHECKING:  # jax is loaded when the flags are known to be good
  from glimo_jax.models.loading.weights import Loaded
  from glimo_jax.models.lora import Adapter
  from glimo_jax.run import Run

_CONFIG = config_flags.DEFINE_config_file(
  "config",
  None,
  "A file of configs/, e.g. configs/quickstart.py.",
  lock_config=False,
  accept_new_attributes=True,  # `Config.from_dict` refuses unknown fields
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder for all that the run writes, e.g. runs/quickstart."
)


class UsageError(ValueError):
  """Bad input: reported in one line, without a traceback."""


def _parse_flags(argv):
  try:
    rest = flags.FLAGS(argv)
  except (AttributeError, KeyError) as e:  # a flag for an unknown section
    message = " ".join(str(e.args[0]).replace("\\n", " ").split())
    raise UsageError(
      f"{message}: the config file has no such section (see "
      "glimo_jax/config.py): set it there, or give it whole"
    ) from e
  except Exception as e:  # a config file may raise anything
    # ml_collections puts the whole traceback of a config file into its error.
    lines = str(e).strip().splitlines()
    raise UsageError(lines[-1] if "Traceback" in str(e) else str(e)) from e
  if len(rest) > 1:
    raise UsageError(f"{rest[1:]} are not flags: write --name=value")
  return rest


def run(
  stage: str,
  argv: list[str] | None = None,
  settings: Callable[[dict], None] = lambda values: None,
  instead: Callable[["Run"], bool] = lambda run: False,
) -> None:
  """Parses the flags and calls `pipeline.<stage>(Run(config, workdir))`.

  Args:
    stage: name of a function of `pipeline`.
    argv: command line; None for the process's own.
    settings: changes the config's values by flags of the script's own.
    instead: by flags of the script's own, does something else than the stage
      and returns True.
  """
  seed = flags.DEFINE_integer(
    "seed",
    None,
    "Seed of the data and of the training: short for --config.collect.seed, "
    "--config.annotate.seed and --config.train.seed.",
    lower_bound=0,
    upper_bound=2**31 - 1,
  )
  distributed = flags.DEFINE_string(
    "distributed",
    "",
    "For a run of several processes: auto (Slurm, GKE, TPU VMs), or "
    "HOST:PORT,N,I for process I of N, with process 0 on HOST.",
  )

  def main():
    values = _config()
    if seed.value is not None:
      for section in ("collect", "annotate", "train"):
        values.setdefault(section, {})["seed"] = seed.value
    settings(values)
    # Imported here so that a mistyped flag is reported before jax is loaded.
    from glimo_jax import mesh
    from glimo_jax.progress import Progress

    if distributed.value:
      mesh.connect(distributed.value)
      if not mesh.is_first():
        logging.getLogger("glimo_jax").setLevel(logging.WARNING)
        Progress.silent = True
    from glimo_jax import pipeline
    from glimo_jax.agent.llm import TeacherError
    from glimo_jax.config import Config
    from glimo_jax.run import Run
    from glimo_jax.train.preemption import Preempted

    try:
      made = Run(Config.from_dict(values), _WORKDIR.value)
      if not instead(made):
        getattr(pipeline, stage)(made)
    except TeacherError as e:  # its message names the fix
      raise UsageError(str(e)) from e
    except Preempted as e:
      print(e, file=sys.stderr)
      sys.exit(128 + signal.SIGTERM)

  # Otherwise --help omits them.
  for flag in (_CONFIG, _WORKDIR, distributed, seed):
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
    except (UsageError, ValueError, OSError) as e:
      if isinstance(e, UsageError) or _is_ours(e):
        _fail(e)
      _exit_at_once()
      raise
    except (Exception, KeyboardInterrupt):
      _exit_at_once()
      raise

  _set_up_logging()
  os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compile_cache()))
  try:
    app.run(guarded, argv=argv, flags_parser=_parse_flags)
  except UsageError as e:
    _fail(e)


def compile_cache() -> pathlib.Path:
  """Where compiled programs outlive the process: a restart skips compiling.

  Each kind of CPU has a folder: what is compiled for one may not run on
  another.
  """
  cpu = platform.machine()
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:  # not Linux
    lines = []
  features = (x for x in lines if x.startswith(("flags", "Features")))
  kind = hashlib.sha256(next(features, cpu).encode()).hexdigest()[:12]
  return pathlib.Path.home() / ".cache" / "glimo_jax" / "xla" / f"{cpu}-{kind}"


def _set_up_logging() -> None:
  """Our own log lines on stderr, with the time; warnings of libraries."""
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
    if not hasattr(_CONFIG.value, "to_dict"):
      raise UsageError(
        "get_config of --config must return a ConfigDict of ml_collections"
      )
    return _CONFIG.value.to_dict()
  except OSError as e:  # ml_collections reads the file on first use
    raise UsageError(
      "--config names no readable file: e.g. --config=configs/quickstart.py"
    ) from e


def trained(run: str | None) -> tuple[pathlib.Path, "Loaded", "Adapter"]:
  """(training folder, base model, adapter) of a run's last finished round.

  Raises:
    UsageError: no run is named.
    FileNotFoundError: it has no finished training.
  """
  from glimo_jax import workdir
  from glimo_jax.models.loading import weights
  from glimo_jax.train import export

  if not run:
    raise UsageError("--workdir is missing: name the folder of a run")
  folder = workdir.last_training(run)
  model = workdir.settings_of(folder)["model"]
  # Runs from before these settings have no revision and are float32.
  base = weights.load(
    model["source"], model.get("dtype", "float32"), model.get("revision", "")
  )
  return folder, base, export.load_peft(folder / "adapter", base[0].family)


def _is_ours(error: BaseException) -> bool:
  """Whether our own code raised it: then its message says value, rule, fix."""
  trace = error.__traceback__
  while trace.tb_next is not None:
    trace = trace.tb_next
  module = trace.tb_frame.f_globals.get("__name__", "")
  return module.split(".")[0] in ("glimo_jax", "simulators", "launch")


def _fail(error: BaseException) -> NoReturn:
  print(f"error: {error}", file=sys.stderr)
  _exit_at_once(2)
  sys.exit(2)


def _exit_at_once(code: int = 1) -> None:
  """Of several processes, ends this one on an error, with this exit code.

  At an ordinary exit JAX would wait for the others, and they for this one. Now
  they end when JAX detects that it is gone.
  """
  if (
    "jax" not in sys.modules
    or not sys.modules["jax"].distributed.is_initialized()
  ):
    return
  if code == 1:
    traceback.print_exc()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)
