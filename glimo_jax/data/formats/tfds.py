"""The instruction dataset for TensorFlow Datasets, as array_record files.

No TensorFlow is needed. Equal datasets give equal bytes. grain reads them, too:

  builder = tfds.builder_from_directory("WORKDIR/annotate/tfds/NAME/VERSION")
  grain.MapDataset.source(builder.as_data_source("train"))
"""

import contextlib
import dataclasses
import io
import pathlib
import shutil
from typing import Any
from unittest import mock

import numpy as np

from glimo_jax.data import counts, tables
from glimo_jax.types import SPLITS, InstructionDataset, InstructionExample

_NAME = "glimo_instructions"


def write(
  dataset: InstructionDataset, folder: str | pathlib.Path
) -> pathlib.Path:
  """Writes the dataset; returns the folder that TFDS reads.

  The rows keep their order. An earlier export in `folder`, whole or broken off,
  is replaced.
  """
  import tensorflow_datasets as tfds

  folder = pathlib.Path(folder)
  shutil.rmtree(folder / _NAME, ignore_errors=True)

  class GlimoInstructions(
    tfds.core.GeneratorBasedBuilder, skip_registration=True
  ):
    """Verified instructions from simulators."""

    name = _NAME
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
  quiet = contextlib.redirect_stdout(io.StringIO())  # it prints of downloads
  with quiet, _equal_bytes():
    builder.download_and_prepare()
  where = pathlib.Path(str(builder.data_dir))
  counts.save(dataset.counts, where)
  return where


@contextlib.contextmanager
def _equal_bytes():
  """Makes TFDS write the features of a row in the same order in each process.

  It calls `SerializeToString`, which may write a map in any order.
  """
  from tensorflow_datasets.core import example_serializer

  def serialize(self, example):
    return self.get_tf_example(example).SerializeToString(deterministic=True)

  kind = example_serializer.ExampleSerializer
  with mock.patch.object(kind, "serialize_example", serialize):
    yield


def read(folder: pathlib.Path) -> InstructionDataset:
  """Reads what `write` wrote, from its folder or one above it.

  Raises:
    FileNotFoundError: there is no such dataset, or several.
  """
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

  return InstructionDataset(rows("train"), rows("val"), counts.load(where))


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
