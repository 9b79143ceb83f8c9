"""Sources of replay text: every format gives the same documents."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from glimo_jax.config import Config, TrainConfig
from glimo_jax.data.replay import ReplaySource, check, sources

CHAT = [
  {"role": "user", "content": "What is a pond?"},
  {"role": "assistant", "content": "A small lake."},
]
ROWS = [{"messages": CHAT}, {"messages": CHAT[:1] + CHAT}]


@pytest.fixture
def files(tmp_path):
  """Format -> a file with the same two chats."""
  lines = "".join(json.dumps(row) + "\n" for row in ROWS)
  (tmp_path / "chats.jsonl").write_text(lines)
  pa.parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "chats.parquet")
  folder = tmp_path / "dataset"
  folder.mkdir()
  (folder / "train.jsonl").write_text(lines)
  return {
    "jsonl": f"path:{tmp_path / 'chats.jsonl'}",
    "parquet": f"path:{tmp_path / 'chats.parquet'}",
    "datasets": f"hf:{folder}",
  }


@pytest.mark.parametrize("form", ["jsonl", "parquet", "datasets"])
def test_every_format_gives_the_same_chats(files, form, tmp_path):
  source = ReplaySource(files[form])
  check(source)
  out = tmp_path / "out.jsonl"
  sources.copy(source, out, tokens=1000)
  assert [d.as_dict() for d in sources.read_lines(out)] == ROWS
  # What a run has written is a source of another run.
  again = tmp_path / "again.jsonl"
  sources.copy(ReplaySource(f"path:{out}"), again, tokens=1000)
  assert again.read_bytes() == out.read_bytes()


def test_no_more_is_read_than_needed(tmp_path):
  (tmp_path / "long.txt").write_text("many words " * 10_000)
  texts = [{"text": "some words " * 50} for _ in range(100)]
  lines = "".join(json.dumps(row) + "\n" for row in texts)
  (tmp_path / "texts.jsonl").write_text(lines)
  out = tmp_path / "out.jsonl"
  for name, documents in (("long.txt", 1), ("texts.jsonl", 3)):
    sources.copy(ReplaySource(f"path:{tmp_path / name}"), out, tokens=200)
    read = sources.read_lines(out)
    assert len(read) == documents
    assert 200 < sum(len(d.text.split()) for d in read) < 400


@pytest.mark.parametrize(
  ("source", "message"),
  [
    ("self:poems", "'self:poems' must be 'self:chats'"),
    ("path:", "'path:' must be"),
    ("README.md", "must be"),
  ],
)
def test_unknown_source_is_refused_with_the_forms(source, message):
  with pytest.raises(ValueError, match=message):
    Config.from_dict({"train": {"replay": ({"source": source},)}})


def test_sources_are_named_once_and_some_are_needed():
  once = ReplaySource("self:chats")
  for replay in ((), (once, once)):
    with pytest.raises(ValueError, match=r"train\.replay .* each once"):
      TrainConfig(replay=replay)
  TrainConfig(replay=(), replay_batch=0)
  with pytest.raises(ValueError, match=r"weight 0"):
    ReplaySource("self:chats", 0.0)


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("absent.txt", None, "is no file"),
    ("empty.jsonl", "", "is empty"),
    ("bad.jsonl", '{"text": "a"}\n{"text"\n', "line 2"),
    ("other.jsonl", '{"prompt": "a"}\n', r"\['prompt'\].* needs 'messages'"),
  ],
)
def test_broken_file_is_named(tmp_path, name, content, message):
  if content is not None:
    (tmp_path / name).write_text(content)
  source = ReplaySource(f"path:{tmp_path / name}")
  with pytest.raises((ValueError, FileNotFoundError), match=message):
    sources.copy(source, tmp_path / "out", tokens=100)


def test_absent_file_stops_the_run_before_any_work(tmp_path):
  with pytest.raises(FileNotFoundError, match="is no file"):
    check(ReplaySource(f"path:{tmp_path / 'absent.jsonl'}"))
