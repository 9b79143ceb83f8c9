"""A teacher on this machine: a GGUF file in llama.cpp's server.

The server runs in this process, through xllamacpp, and speaks the
OpenAI-compatible API with JSON schemas. Other engines are programs of their
own: `command` gives the line that starts one.
"""

import contextlib
import dataclasses
import os
import pathlib
import shlex
import socket
from collections.abc import Iterator
from typing import Any

import httpx

from glimo_jax import fields

HOST = "127.0.0.1"
LLAMA_CPP = "llama.cpp"
ENGINES = (LLAMA_CPP, "vllm", "sglang")
_MAGIC = b"GGUF"


@dataclasses.dataclass(frozen=True)
class EngineConfig:
  """How a model is served.

  Attributes:
    engine: one of ENGINES.
    port: of this machine; 0 for any free one.
    slots: requests that are answered at the same time.
    context: most tokens of a prompt with its answer.
    threads: CPU threads of the model; 0 for all CPUs but one.
  """

  engine: str = LLAMA_CPP
  port: int = 8000
  slots: int = 2
  context: int = 4096
  threads: int = 0

  def __post_init__(self):
    fields.check_known("engine", self.engine, ENGINES)
    fields.check_ranges(
      self,
      "engine ",
      at_least={"port": 0, "slots": 1, "context": 256, "threads": 0},
      at_most={"port": 65535},
    )


@contextlib.contextmanager
def serving(
  path: pathlib.Path, name: str, config: EngineConfig
) -> Iterator[str]:
  """Serves a GGUF file while the block runs; gives the address, with /v1.

  Args:
    path: the file.
    name: by which requests call the model.
    config: see EngineConfig.

  Raises:
    ModuleNotFoundError: xllamacpp is not installed.
    ValueError: the file is no GGUF file.
    OSError: the port is taken.
    RuntimeError: llama.cpp cannot load the model, or it gives no answer.
  """
  try:
    import xllamacpp
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      "xllamacpp is not installed: run pip install -e '.[serve]', or start "
      "another engine (docs/teacher.md)"
    ) from error
  _check_file(path)
  _check_port(config.port)
  llama: Any = xllamacpp  # compiled, without types
  params = llama.CommonParams()
  params.model.path, params.model_alias = str(path), {name}
  params.hostnames, params.port = [HOST], config.port
  params.n_parallel, params.n_ctx = config.slots, config.slots * config.context
  params.n_threads_http = config.slots + 2  # also for who asks its health
  threads = config.threads or max(1, (os.cpu_count() or 2) - 1)
  params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
  params.warmup, params.ui, params.verbosity = False, False, 0
  try:
    server = llama.Server(params)
  except RuntimeError as error:
    raise RuntimeError(
      f"llama.cpp cannot serve {path} ({error}): use a GGUF file of a chat "
      f"model, with memory for {config.slots} slots of {config.context} tokens"
    ) from error
  url = f"{server.listening_address}/v1"
  try:
    _ask(url, name)
    yield url
  finally:
    del server  # ends it


def command(model: str, name: str, config: EngineConfig) -> str:
  """The command by which vLLM or SGLang serves a model.

  Args:
    model: a hub id, or a Hugging Face folder.
    name: by which requests call the model.
    config: says which engine; its `threads` are not used.
  """
  if config.engine == "vllm":
    start = ["vllm", "serve", model]
    slots, context = "--max-num-seqs", "--max-model-len"
  else:
    start = ["python", "-m", "sglang.launch_server", "--model-path", model]
    slots, context = "--max-running-requests", "--context-length"
  flags = {
    "--host": HOST,
    "--port": config.port,
    "--served-model-name": name,
    slots: config.slots,
    context: config.context,
  }
  more = [f"{flag}={value}" for flag, value in flags.items()]
  return shlex.join([*start, *more])


def _ask(url: str, name: str) -> None:
  """Asks for a token, as a server that ends before its first answer hangs."""
  body = {"model": name, "max_tokens": 1,
          "messages": [{"role": "user", "content": "Hello"}]}  # fmt: skip
  answer = httpx.post(
    f"{url}/chat/completions", json=body, timeout=600, trust_env=False
  )
  if answer.status_code != 200:
    raise RuntimeError(
      f"the model does not answer ({answer.text[:200]}): use a GGUF file of a "
      "chat model"
    )


def _check_file(path: pathlib.Path) -> None:
  with path.open("rb") as file:
    if file.read(len(_MAGIC)) != _MAGIC:
      raise ValueError(
        f"{path} is no GGUF file: give one, or serve other weights by "
        "--engine=vllm"
      )


def _check_port(port: int) -> None:
  """Raises OSError where a port of this machine is taken."""
  with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      probe.bind((HOST, port))
    except OSError as error:
      raise OSError(
        f"port {port} of {HOST} cannot be used ({error.strerror}): stop what "
        "listens there, or give another --port"
      ) from error
