"""A dataset round-trips through Parquet and TFDS, with equal bytes."""

import dataclasses

import pytest

from glimo_jax.data import dataset, tables
from glimo_jax.data.formats import tfds
from glimo_jax.types import InstructionDataset, InstructionExample


def example(i, **fields):
  base = InstructionExample(
    row_id=f"r{i}",
    kind="next_action",
    stage=2,
    messages=(
      {"role": "system", "content": "rules, 'quoted' and ünïcode"},
      {"role": "user", "content": f"goal {i} up.\nnew line"},
    ),
    answers=("up", "left"),
    weights=(1 / 3, 2 / 3),
    choices=("up", "down", "left", "right"),
    source="tool",
    label_source="oracle",
    verdict="verified",
    checked_by="replay+reference",
    attempts=0,
    rationale=(),
    ending=(),
    world="agentworld",
    variant="imperfect/swapped(0)",
    split="train",
    level=i,
    level_hash="ff",
    depth=1,
    seed=2**31 - 1,
    actions=(0, 3, 1),
    episode=f"e{i}",
    teacher="oracle",
    prompt_hash="",
    prompt_version="1",
    memories=(),
    question="",
    args=(),
  )
  return dataclasses.replace(base, **fields)


def make(train=5, val=2):
  counts = {"planned": 9, "verified": 7, "refuted": 2}
  rows = [example(i) for i in range(train)]
  rows += [example(9, choices=(), actions=(), args=(-1, 2), memories=("m0",))]
  return InstructionDataset(rows, [example(20 + i) for i in range(val)], counts)


def test_parquet_round_trip_is_equal_and_bytes_are_deterministic(tmp_path):
  data = make()
  dataset.save(data, tmp_path / "a", {"licence": "apache-2.0"})
  dataset.save(data, tmp_path / "b", {"licence": "apache-2.0"})
  again = dataset.load(tmp_path / "a")
  assert again == data
  names = {"train.parquet", "val.parquet", "counts.json", "README.md"}
  assert names < {p.name for p in (tmp_path / "a").iterdir()}
  for path in (tmp_path / "a").iterdir():
    assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_hub_library_reads_the_same_rows(tmp_path):
  import datasets

  data = make()
  dataset.save(data, tmp_path / "d")
  table = datasets.Dataset.from_parquet(
    str(tmp_path / "d" / "train.parquet"), cache_dir=str(tmp_path / "cache")
  )
  assert [tables.make(InstructionExample, r) for r in table] == data.train


@pytest.mark.parametrize("val", [2, 0])
def test_tfds_round_trip_is_equal_in_rows_order_and_counts(tmp_path, val):
  data = make(train=300, val=val)
  tfds.write(data, tmp_path / "t")
  again = dataset.load(f"tfds:{tmp_path / 't'}")
  assert again == data


def test_second_export_replaces_the_first(tmp_path):
  tfds.write(make(), tmp_path)
  (tmp_path / "glimo_instructions" / "incomplete.1.0.0").mkdir()
  data = make(train=3, val=1)
  tfds.write(data, tmp_path)
  assert dataset.load(f"tfds:{tmp_path}") == data


def test_missing_and_empty_folders_name_the_stage_that_writes_them(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"launch\.annotate"):
    dataset.load(tmp_path / "nowhere")
  with pytest.raises(FileNotFoundError, match=r"launch\.annotate"):
    dataset.load(f"tfds:{tmp_path / 'nowhere'}")
  dataset.save(InstructionDataset([], [], {}), tmp_path / "empty")
  with pytest.raises(ValueError, match="no training row"):
    dataset.load(tmp_path / "empty")


def test_damaged_file_says_so(tmp_path):
  dataset.save(make(), tmp_path)
  path = tmp_path / "train.parquet"
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(ValueError, match="damaged"):
    dataset.load(tmp_path)


def test_card_shows_counts_and_teachers(tmp_path):
  data = make()
  data.counts["by_source"] = {"llm": {"planned": 4, "verified": 1}}
  data.counts["llm_by_kind"] = {"where": {"planned": 4, "verified": 1}}
  dataset.save(data, tmp_path, {"licence": "apache-2.0"})
  card = (tmp_path / "README.md").read_text()
  assert "license: apache-2.0" in card
  assert "| where | 4 | 1 | 0.25 |" in card
  assert "oracle (8)" in card
