"""Give a trained model, or the dataset, to other tools.

python -m launch.export --workdir=runs/quickstart --format=peft --out=adapter
python -m launch.export --workdir=runs/quickstart --format=merged --out=model
python -m launch.export --workdir=runs/quickstart --format=gguf-lora --out=low
python -m launch.export --workdir=runs/quickstart --format=jsonl --out=chats

`merged` writes base and adapter as one Hugging Face folder, with tokenizer and
chat template. `peft` writes the adapter; PEFT looks for the base model at
--base, else at the hub id or folder that the run was trained from, else in a
copy that is written to OUT/base. `gguf-lora` writes OUT/adapter.gguf, which
llama.cpp applies to a GGUF of the base model. On-policy rounds: the last
finished one.

`jsonl`, `hf` and `tfds` write the verified rows: as chats in JSON lines, as
chats in a folder for `datasets.load_dataset`, for TensorFlow Datasets.
"""

import pathlib
from collections.abc import Callable, Mapping

from absl import flags

from launch import common

_MODELS = ("peft", "merged", "gguf-lora")
_DATASETS = ("jsonl", "hf", "tfds")
flags.declare_key_flag("workdir")  # of `common`: the run's folder
_FORMAT = flags.DEFINE_enum(
  "format", "merged", (*_MODELS, *_DATASETS), "What to write."
)
_OUT = flags.DEFINE_string("out", None, "Folder to write; new or empty.")
_BASE = flags.DEFINE_string(
  "base", "", "Where PEFT finds the base model: a hub id or a folder."
)
_ROUND = flags.DEFINE_integer(
  "round", 0, "On-policy round of the rows; 0: the first pass.", lower_bound=0
)


def main() -> None:
  if not _OUT.value:
    raise common.UsageError("--out is missing: name a folder")
  out = pathlib.Path(_OUT.value).expanduser()
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise common.UsageError(f"--out={out} is not empty: name a new folder")
  if _BASE.value and _FORMAT.value != "peft":
    raise common.UsageError("--base is for --format=peft: drop it")
  if _ROUND.value and _FORMAT.value not in _DATASETS:
    raise common.UsageError(f"--round is for {', '.join(_DATASETS)}: drop it")
  source = (_model if _FORMAT.value in _MODELS else _dataset)(out)
  print(f"{_FORMAT.value}: {out}, from {source}")


def _model(out: pathlib.Path) -> pathlib.Path:
  """Writes the model; returns the folder of its training."""
  from glimo_jax import workdir
  from glimo_jax.models import lora
  from glimo_jax.models.loading import gguf_adapter, sources
  from glimo_jax.train import export

  trained, base, adapter = common.trained(flags.FLAGS.workdir)
  config, params, tokenizer = base
  source = workdir.settings_of(trained)["model"]["source"]
  if _FORMAT.value == "merged":
    merged = lora.merge(params, adapter)
    export.save_checkpoint((config, merged, tokenizer), out)
    return trained
  if _FORMAT.value == "gguf-lora":
    gguf_adapter.save(adapter, config, out / "adapter.gguf")
    return trained
  base_path = _BASE.value or sources.for_others(source)
  if not base_path:
    base_path = str((out / "base").resolve())
    export.save_checkpoint(base, base_path)
  export.save_peft(adapter, config, out, base_path)
  tokenizer.save_folder(out)
  return trained


def _dataset(out: pathlib.Path) -> pathlib.Path:
  """Writes the rows; returns the folder of the dataset."""
  from glimo_jax import workdir
  from glimo_jax.data import dataset
  from glimo_jax.data.formats import chats, tfds

  if not flags.FLAGS.workdir:
    raise common.UsageError("--workdir is missing: name the folder of a run")
  stage = workdir.stage_name("annotate", _ROUND.value)
  source = workdir.require(flags.FLAGS.workdir, stage) / "dataset"
  writers: Mapping[str, Callable] = {
    "jsonl": chats.write_jsonl,
    "hf": chats.write_hub,
    "tfds": tfds.write,
  }
  writers[_FORMAT.value](dataset.load(source), out)
  return source


if __name__ == "__main__":
  common.start(main)
