"""The instruction dataset on disk: Parquet and a card.

DIR/train.parquet val.parquet   the rows, canonical
DIR/counts.json                 verdicts on all planned rows
DIR/README.md sample.jsonl      for reading
"""

import dataclasses
import json
import pathlib

from glimo_jax import files
from glimo_jax.data import counts, tables
from glimo_jax.data.formats import card, tfds
from glimo_jax.types import SPLITS, InstructionDataset, InstructionExample

_TFDS = "tfds:"
_SAMPLE = 32  # rows in sample.jsonl


def save(
  dataset: InstructionDataset,
  folder: str | pathlib.Path,
  facts: dict[str, str] | None = None,
) -> None:
  """Writes the dataset; the same dataset gives the same bytes.

  `datasets.load_dataset(folder)` reads it, too.

  Args:
    dataset: verified rows and counts.
    folder: made if it is not there.
    facts: further facts for README.md, such as `licence`.
  """
  folder = pathlib.Path(folder)
  for split in SPLITS:
    rows = getattr(dataset, split)
    tables.write(folder / f"{split}.parquet", rows, InstructionExample)
  sample = "".join(
    json.dumps(dataclasses.asdict(row), ensure_ascii=False) + "\n"
    for row in dataset.train[:_SAMPLE]
  )
  files.write_text(folder / "sample.jsonl", sample)
  files.write_text(folder / "README.md", card.card(dataset, facts or {}))
  counts.save(dataset.counts, folder)


def load(source: str | pathlib.Path) -> InstructionDataset:
  """Reads a dataset from a folder, or from a TFDS export ("tfds:DIR").

  Raises:
    FileNotFoundError: nothing is there.
    ValueError: it holds no training row, or is damaged.
  """
  if str(source).startswith(_TFDS):
    dataset = tfds.read(pathlib.Path(str(source).removeprefix(_TFDS)))
  else:
    folder = pathlib.Path(source)
    train, val = (
      tables.read(folder / f"{s}.parquet", InstructionExample, "annotate")
      for s in SPLITS
    )
    dataset = InstructionDataset(train, val, counts.load(folder))
  if not dataset.train:
    raise ValueError(
      f"dataset {source} has no training row: raise the numbers of "
      "--config.annotate and run `python -m launch.annotate` again"
    )
  return dataset
