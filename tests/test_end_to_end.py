"""The whole pipeline at test size: real weights, every stage, a kill."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from fault_server import FaultServer

from glimo_jax.data import dataset as dataset_lib

ROOT = pathlib.Path(__file__).parents[1]


def _command(stage, folder, config="quickstart.py:tiny", *flags):
  return [
    sys.executable,
    "-m",
    f"launch.{stage}",
    f"--config=configs/{config}",
    f"--workdir={folder}",
    *flags,
  ]


def _environment():
  kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  return {**kept, "JAX_PLATFORMS": "cpu"}


def _run(stage, folder, *how):
  return _run_command(_command(stage, folder, *how))


def _run_command(command, check=True):
  return subprocess.run(
    command,
    cwd=ROOT,
    env=_environment(),
    capture_output=True,
    text=True,
    timeout=1800,
    check=check,
  )


def _kill_when(stage, folder, started):
  """Runs a stage and kills it with SIGKILL once `started()` is true."""
  process = subprocess.Popen(
    _command(stage, folder),
    cwd=ROOT,
    env=_environment(),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  while process.poll() is None and not started():
    time.sleep(0.01)
  process.send_signal(signal.SIGKILL)
  return process.wait()


def _digests(folder):
  files = sorted((folder / "annotate" / "dataset").glob("*"))
  return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A complete run without interruption."""
  folder = tmp_path_factory.mktemp("whole")
  return folder, _run("pipeline", folder)


def test_run_ends_with_a_table_and_a_report(finished):
  folder, run = finished
  assert "agentworld/test success" in run.stdout
  assert (folder / "report.html").stat().st_size > 2000
  report = json.loads((folder / "report.json").read_text())
  arms = report["benchmarks"]["agentworld/test"]
  assert {"base", "tuned", "random", "oracle"} <= set(arms)
  assert arms["oracle"]["success"]["n"] == 4
  assert arms["tuned"]["qa"]["n"] > 0
  for text in ("prose", "technical", "wiki"):
    bits = report["language"][text]
    assert 0.3 < bits["base"]["bits_per_byte"] < 3
    assert bits["tuned"]["bits_per_byte"] != bits["base"]["bits_per_byte"]
  talk = report["retention"]
  assert talk["chat_kl"]["base"]["mean"] == 0 < talk["chat_kl"]["tuned"]["mean"]
  assert talk["collapsed"]["tuned"]["n"] == talk["instructions"]["base"]["n"]
  # The replay text is named by its digest and stands in the run's folder.
  for source in ("self:chats", "self:prose"):
    assert f"replay {source}" in report["texts"]
  replayed = [*(folder / "train" / "replay").iterdir()]
  assert len(replayed) == 2
  for key in ("wall_s", "peak_gib", "versions", "commit"):
    assert key in report
  stages = ("collect", "annotate", "train")
  assert report["commits"] == dict.fromkeys(stages, report["commit"])


def test_every_planned_row_is_accounted_for(finished):
  folder, _ = finished
  counts = json.loads((folder / "report.json").read_text())["dataset"]
  verdicts = ("verified", "refuted", "unverifiable", "invalid", "failed")
  assert counts["planned"] == sum(counts[v] for v in verdicts)
  assert counts["verified"] > 0
  assert counts["by_source"]["llm"]["planned"] >= 13


def _mtimes(folder):
  return {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}


def test_finished_run_prints_its_report_again_and_writes_nothing(finished):
  folder, first = finished
  before = _mtimes(folder)
  again = _run("pipeline", folder)
  assert again.stdout == first.stdout
  assert _mtimes(folder) == before


def test_same_evaluation_twice_gives_the_same_numbers(finished, tmp_path):
  folder, _ = finished
  for stage in ("collect", "annotate", "train"):
    shutil.copytree(folder / stage, tmp_path / stage)
  _run("evaluate", tmp_path)
  once, twice = (
    json.loads((where / "report.json").read_text())
    for where in (folder, tmp_path)
  )
  parts = (
    "benchmarks", "language", "retention", "comparisons", "asked_on_val",
  )  # fmt: skip
  for part in parts:
    assert once[part] == twice[part]


def test_stage_does_not_continue_from_other_settings(finished):
  folder, _ = finished
  other = [*_command("evaluate", folder), "--config.train.lr=0.5"]
  run = _run_command([*other, "--suite=val"], check=False)
  assert run.returncode == 2
  assert "--config.train.lr: 0.002 there, 0.5 now" in run.stderr
  assert not (folder / "evaluate-val").exists()


def test_training_can_read_the_tfds_export(finished):
  folder, _ = finished
  exported = dataset_lib.load(f"tfds:{folder / 'annotate' / 'tfds'}")
  written = dataset_lib.load(folder / "annotate" / "dataset")
  assert list(exported.train) == list(written.train)
  assert len(written.train) > 20


def test_dead_teacher_is_one_clear_line(finished, tmp_path):
  folder, _ = finished
  shutil.copytree(folder / "collect", tmp_path / "collect")
  with socket.socket() as closed:  # bound, never listening
    closed.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    run = _run_command(
      [
        *_command("annotate", tmp_path),
        f"--config.teacher.base_url={url}",
        "--config.teacher.model=nobody",
      ],
      check=False,
    )
  assert run.returncode == 2
  assert "Traceback" not in run.stderr
  assert run.stderr.strip().splitlines()[-1].startswith("error: no server")
  assert not (tmp_path / "annotate" / "DONE.json").exists()


def test_broken_teacher_is_no_success_and_the_advised_fix_is_taken(
  finished, tmp_path
):
  """Another address, key, timeout and price go on from the same journal."""
  folder, _ = finished
  shutil.copytree(folder / "collect", tmp_path / "collect")
  annotate = [
    *_command("annotate", tmp_path),
    "--config.teacher.model=m",
    "--config.teacher.backoff=0.0",
  ]
  turns = iter(range(10**6))

  def fails_later(body):
    return "" if next(turns) < 5 else (500, "out of memory")

  with FaultServer(script=fails_later) as broken, FaultServer() as right:
    run = _run_command(
      [*annotate, f"--config.teacher.base_url={broken.url}"], check=False
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert "out of memory" in run.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "annotate" / "DONE.json").exists()
    journal = (tmp_path / "annotate" / "journal.jsonl").read_bytes()
    assert len(journal.splitlines()) == 5
    _run_command(
      [
        *annotate, f"--config.teacher.base_url={right.url}",
        "--config.teacher.timeout=30.0", "--config.teacher.concurrency=2",
        "--config.teacher.prices=(1.0,2.0)", "--config.teacher.budget=9.0",
      ]
    )  # fmt: skip
  assert (tmp_path / "annotate" / "DONE.json").exists()
  after = (tmp_path / "annotate" / "journal.jsonl").read_bytes()
  assert after.startswith(journal)


def test_killed_annotation_gives_the_same_dataset(finished, tmp_path):
  folder, _ = finished
  _run("collect", tmp_path)
  journal = tmp_path / "annotate" / "journal.jsonl"
  killed = _kill_when(
    "annotate", tmp_path, lambda: journal.exists() and journal.stat().st_size
  )
  assert killed == -signal.SIGKILL
  assert not (tmp_path / "annotate" / "DONE.json").exists()
  _run("annotate", tmp_path)
  assert _digests(tmp_path) == _digests(folder)


def test_rows_show_what_is_learnt_of_them(finished):
  folder, _ = finished
  shown = _run_command(
    [
      sys.executable, "-m", "launch.inspect", f"--workdir={folder}",
      "--rows=2", "--kind=next_action",
    ]
  ).stdout  # fmt: skip
  assert shown.count("--- row ") == 2
  row = next(
    row
    for row in dataset_lib.load(folder / "annotate" / "dataset").train
    if row.kind == "next_action"
  )
  assert f"[{row.completions[0]}<|im_end|>]" in shown
  unknown = _run_command(
    [sys.executable, "-m", "launch.inspect", f"--workdir={folder}", "--kind=x"],
    check=False,
  )
  assert unknown.returncode == 2
  assert "no row is of it: " in unknown.stderr


def test_tuned_model_says_what_it_would_have_done(finished):
  folder, _ = finished
  play = [sys.executable, "-m", "launch.play", f"--workdir={folder}"]
  done = subprocess.run(
    play, cwd=ROOT, env=_environment(), input="up\nquit\n",
    capture_output=True, text=True, timeout=600, check=True,
  )  # fmt: skip
  (said,) = [x for x in done.stdout.splitlines() if "the model: " in x]
  assert said.split()[-1] in ("up", "down", "left", "right")
  wrong = _run_command([*play, "--world=driving"], check=False)
  assert wrong.returncode == 2
  assert "--workdir brings its own world" in wrong.stderr


def test_base_and_tuned_answer_side_by_side(finished):
  folder, _ = finished
  done = subprocess.run(
    [
      sys.executable, "-m", "launch.chat", f"--workdir={folder}",
      "--max_tokens=8",
    ],
    cwd=ROOT,
    env=_environment(),
    input="Name a colour.\nAnother one.\n",
    capture_output=True,
    text=True,
    timeout=600,
    check=True,
  )  # fmt: skip
  names = [line.split(":")[0].strip() for line in done.stdout.splitlines()]
  assert names == ["base", "tuned"] * 2


def test_two_processes_make_what_one_makes(finished, tmp_path):
  """Started as by Slurm; each of the two holds half of the model."""
  folder, _ = finished
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
  cluster = {
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_NODELIST": "127.0.0.1",
    "SLURM_NTASKS": "2",
    "JAX_COORDINATOR_PORT": port,
  }
  flags = ("--distributed=auto", "--config.mesh.tensor=2")
  running = [
    subprocess.Popen(
      _command("pipeline", tmp_path, "quickstart.py:tiny", *flags),
      cwd=ROOT,
      env=_environment()
      | cluster
      | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(2)
  ]
  outputs = [process.communicate(timeout=1800) for process in running]
  for process, (_, error) in zip(running, outputs, strict=True):
    assert process.returncode == 0, error
  assert ["report: " in output for output, _ in outputs] == [True, False]
  assert _digests(tmp_path) == _digests(folder)
  collected = [
    (where / "collect" / "experience.parquet").read_bytes()
    for where in (folder, tmp_path)
  ]
  assert collected[0] == collected[1]
  for stage in ("collect", "annotate", "evaluate"):
    done = json.loads((tmp_path / stage / "DONE.json").read_text())
    assert min(done["pieces"]) > 0, stage  # each process has worked on it
  journals = sorted(f.name for f in (tmp_path / "annotate").glob("journal*"))
  assert journals == ["journal.jsonl"]
  one, two = (
    [
      json.loads(line)
      for line in (where / "train" / "metrics.jsonl").read_text().splitlines()
    ]
    for where in (folder, tmp_path)
  )
  # Half a model rounds its sums otherwise. AdamW divides each gradient by its
  # own size, so the rounding of the smallest grows, whatever the processes:
  # two devices of one process differ from one device by as much.
  for a, b, rel in zip(one, two, (1e-6, 1e-4, 1e-3, 1e-3), strict=True):
    assert a["loss"] == pytest.approx(b["loss"], rel=rel)
  reports = [
    json.loads((where / "report.json").read_text())
    for where in (folder, tmp_path)
  ]
  # What the adapter has no part in is the same in every digit.
  one, two = (
    {
      name: {a: v for a, v in arms.items() if not a.startswith("tuned")}
      for name, arms in report["benchmarks"].items()
    }
    for report in reports
  )
  assert one == two
  for text, arms in reports[0]["language"].items():
    assert arms["base"] == reports[1]["language"][text]["base"]
  assert reports[0]["dataset"] == reports[1]["dataset"]
  for measure in ("success", "qa"):
    one, two = (
      [
        arms[arm][measure]["mean"]
        for arms in report["benchmarks"].values()
        for arm in ("base", "tuned")
      ]
      for report in reports
    )
    assert one == two


def test_on_policy_round_continues_training_and_is_compared(finished, tmp_path):
  folder, _ = finished
  data = f"--config.train.data={folder / 'annotate' / 'dataset'}"
  for arm in ("tuned", "rounds-1"):
    # Evaluated without the arms of the base, which need the run's memory.
    alone = "--config.evaluate.tuned_only=True"
    # A model that has learnt nothing yet would write long rationales.
    short = (
      "--config.annotate.skills.next_action.rationale=False",
      "--config.evaluate.tuned_arms=('plain',)",
    )
    where = tmp_path / arm
    _run("pipeline", where, f"recipe.py:{arm}-tiny", data, alone, *short)
  played = json.loads(
    (where / "round-1" / "annotate" / "dataset" / "counts.json").read_text()
  )
  assert played["verified"] == played["by_source"]["tool"]["verified"] > 0
  before, after = (
    (where / name / "adapter" / "adapter_model.safetensors").read_bytes()
    for name in ("train", "round-1/train")
  )
  assert before != after
  out = f"--folder={tmp_path / 'out'}"
  runs = [f"--runs={tmp_path}", "--suite=val"]
  merged = _run_command([sys.executable, "-m", "launch.report", out, *runs])
  assert "rounds-1 minus tuned" in merged.stdout
