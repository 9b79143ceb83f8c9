"""The instruction dataset on disk: Parquet, a card, and a TFDS export.

DIR/train.parquet val.parquet   the rows, canonical
DIR/counts.json                 verdicts on all planned rows
DIR/README.md sample.jsonl      for reading
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import shutil
from collections import Counter
from typing import Any

import numpy as np

from glimo_jax import files
from glimo_jax.data import tables
from glimo_jax.types import VERDICTS, InstructionDataset, InstructionExample

SPLITS = ("train", "val")
_TFDS, _TFDS_NAME = "tfds:", "glimo_instructions"
_SAMPLE = 32  # rows in sample.jsonl


def save(
  dataset: InstructionDataset,
  folder: str | pathlib.Path,
  card: dict[str, str] | None = None,
) -> None:
  """Writes the dataset; the same dataset gives the same bytes.

  Args:
    dataset: verified rows and counts.
    folder: made if it is not there.
    card: further facts for README.md, such as the licence.
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
  files.write_text(folder / "README.md", _card(dataset, card or {}))
  counts = json.dumps(dataset.counts, indent=2, sort_keys=True) + "\n"
  files.write_text(folder / "counts.json", counts)


def load(source: str | pathlib.Path) -> InstructionDataset:
  """Reads a dataset from a folder, or from a TFDS export ("tfds:DIR").

  Raises:
    FileNotFoundError: nothing is there.
    ValueError: it holds no training row, or is damaged.
  """
  if str(source).startswith(_TFDS):
    dataset = _load_tfds(pathlib.Path(str(source).removeprefix(_TFDS)))
  else:
    folder = pathlib.Path(source)
    train, val = (
      tables.read(folder / f"{s}.parquet", InstructionExample, "annotate")
      for s in SPLITS
    )
    dataset = InstructionDataset(train, val, _counts(folder))
  if not dataset.train:
    raise ValueError(
      f"dataset {source} has no training row: raise the numbers of "
      "--config.annotate and run `python -m launch.annotate` again"
    )
  return dataset


def export_tfds(
  dataset: InstructionDataset, folder: str | pathlib.Path
) -> pathlib.Path:
  """Writes the dataset for TFDS, as array_record; returns its folder.

  No TensorFlow is needed. The rows keep their order. An earlier export in the
  folder, whole or broken off, is replaced.
  """
  import tensorflow_datasets as tfds

  folder = pathlib.Path(folder)
  shutil.rmtree(folder / _TFDS_NAME, ignore_errors=True)

  class GlimoInstructions(
    tfds.core.GeneratorBasedBuilder, skip_registration=True
  ):
    """Verified instructions from simulators."""

    name = _TFDS_NAME
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
      return tfds.core.DatasetInfo(
        builder=self, features=_features(), disable_shuffling=True
      )

    def _split_generators(self, dl_manager):
      del dl_manager
      filled = [s for s in SPLITS if len(getattr(dataset, s))]
      return {s: self._generate_examples(s) for s in filled}

    def _generate_examples(self, split):
      for number, row in enumerate(getattr(dataset, split)):
        yield number, _to_tfds(row)

  builder = GlimoInstructions(data_dir=str(folder), file_format="array_record")
  tfds.disable_progress_bar()
  with contextlib.redirect_stdout(io.StringIO()):  # it prints of downloads
    builder.download_and_prepare()
  counts = json.dumps(dataset.counts, indent=2, sort_keys=True) + "\n"
  where = pathlib.Path(str(builder.data_dir))
  files.write_text(where / "counts.json", counts)
  return where


# --- TFDS ---------------------------------------------------------------------


def _load_tfds(folder: pathlib.Path) -> InstructionDataset:
  import tensorflow_datasets as tfds

  found = sorted(folder.rglob("dataset_info.json")) if folder.exists() else []
  if len(found) != 1:
    raise FileNotFoundError(
      f"{folder} holds {len(found)} TFDS datasets, not one: `python -m "
      "launch.annotate` writes one, WORKDIR/annotate/tfds: name that folder"
    )
  where = found[0].parent
  builder = tfds.builder_from_directory(str(where))

  def rows(split: str) -> list[InstructionExample]:
    if split not in builder.info.splits:  # TFDS keeps no empty split
      return []
    # The checker takes the builder's method for one of another class.
    source = builder.as_data_source(split)  # pyright: ignore[reportCallIssue]
    return [_from_tfds(row) for row in source]

  return InstructionDataset(rows("train"), rows("val"), _counts(where))


def _features():
  """TFDS features: messages become two lists; other fields keep their form.

  Doubles become decimal strings, since TFDS narrows them to 32 bits.
  """
  import tensorflow_datasets as tfds

  text, many = tfds.features.Text(), tfds.features.Sequence
  plain = {"string": text, "int64": np.int64, "double": text}
  features: dict[str, Any] = {"roles": many(text), "contents": many(text)}
  for field in tables.schema(InstructionExample):
    if field.name == "messages":
      continue
    inner = str(getattr(field.type, "value_type", field.type))
    kind = plain[inner]
    listed = hasattr(field.type, "value_type")
    if not listed and kind is not text:
      kind = tfds.features.Scalar(kind)
    features[field.name] = many(kind) if listed else kind
  return tfds.features.FeaturesDict(features)


def _to_tfds(row: InstructionExample) -> dict[str, Any]:
  fields = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}
  messages = fields.pop("messages")
  fields["roles"] = [m["role"] for m in messages]
  fields["contents"] = [m["content"] for m in messages]
  fields["weights"] = [repr(w) for w in row.weights]
  return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def _from_tfds(row: dict[str, Any]) -> InstructionExample:
  fields = {k: _plain(v) for k, v in row.items()}
  pairs = zip(fields.pop("roles"), fields.pop("contents"), strict=True)
  fields["messages"] = [{"role": r, "content": c} for r, c in pairs]
  fields["weights"] = [float(w) for w in fields["weights"]]
  return tables.make(InstructionExample, fields)


def _plain(value):
  """Plain Python values: TFDS returns bytes and numpy types."""
  if isinstance(value, np.ndarray):
    return [_plain(v) for v in value.tolist()]
  if isinstance(value, list):
    return [_plain(v) for v in value]
  if isinstance(value, bytes):
    return value.decode("utf-8")
  return value.item() if isinstance(value, np.generic) else value


# --- Counts and card ----------------------------------------------------------


def _counts(folder: pathlib.Path) -> dict[str, Any]:
  path = folder / "counts.json"
  if not path.exists():
    raise FileNotFoundError(
      f"{path} is not there: run `python -m launch.annotate` with the same "
      "--workdir to make it"
    )
  return json.loads(path.read_text(encoding="utf-8"))


def _card(dataset: InstructionDataset, facts: dict[str, str]) -> str:
  """The dataset card, with the header that dataset hubs read."""
  counts = dataset.counts
  rows = [*dataset.train, *dataset.val]
  lines = [
    "---",
    f"license: {facts.get('licence', 'other')}",
    "task_categories: [text-generation]",
    "---",
    "# Verified instructions from simulated experience",
    "",
    f"{len(dataset.train)} training rows and {len(dataset.val)} of other "
    "episodes for validation. Every answer was replayed in the simulator "
    "before it was admitted.",
    "",
    *(f"- **{name}**: {fact}" for name, fact in sorted(facts.items())),
    f"- **teachers**: {_tally(r.teacher for r in rows)}",
    f"- **worlds**: {_tally(f'{r.world} {r.variant}' for r in rows)}",
    f"- **labels**: {_tally(r.label_source for r in rows)}",
    f"- **checked by**: {_tally(r.checked_by for r in rows)}",
    f"- **prompts**: version {_tally(r.prompt_version for r in rows)}",
    "",
    "## What became of every planned row",
    "",
    "| source | planned | " + " | ".join(VERDICTS) + " |",
    "|---" * (2 + len(VERDICTS)) + "|",
  ]
  by_source = {"all": counts, **counts.get("by_source", {})}
  for source, row in by_source.items():
    cells = [str(row.get(k, 0)) for k in ("planned", *VERDICTS)]
    lines.append(f"| {source} | " + " | ".join(cells) + " |")
  lines += [
    "",
    "## Drafts of the language model, by kind",
    "",
    f"{counts.get('llm_first_drafts', 0)} were verified at once, the others "
    "after a refutation, which leaves fewer answers to choose from.",
    "",
    "| kind | planned | verified | rate |",
    "|---|---|---|---|",
  ]
  for kind, row in sorted(counts.get("llm_by_kind", {}).items()):
    rate = row["verified"] / max(1, row["planned"])
    lines.append(
      f"| {kind} | {row['planned']} | {row['verified']} | {rate:.2f} |"
    )
  lines += [
    "",
    "## Provenance",
    "",
    "Each row names its world, variant, level (with hash), seed and action "
    "list, so that `simulators.rollout.replay` comes back to its state; its "
    "teacher, the hash of the teacher's prompt, the memories in it, and how "
    "its answer was checked. `sample.jsonl` has some rows to look at.",
    "",
  ]
  return "\n".join(lines)


def _tally(values) -> str:
  tally = sorted(Counter(values).items())
  return ", ".join(f"{value} ({n})" for value, n in tally) or "none"
