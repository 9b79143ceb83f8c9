"""Give a trained model to other tools: a PEFT adapter or a whole model.

python -m launch.export --workdir=runs/quickstart --format=peft --out=adapter
python -m launch.export --workdir=runs/quickstart --format=merged --out=model

`merged` writes base and adapter as one Hugging Face folder, with tokenizer and
chat template. `peft` writes the adapter; PEFT looks for the base model at
--base, else at the hub id or folder that the run was trained from, else in a
copy that is written to OUT/base. On-policy rounds: the last finished one.
"""

import pathlib

from absl import flags

from launch import common

_FORMATS = ("peft", "merged")
flags.declare_key_flag("workdir")  # of `common`: the run's folder
_FORMAT = flags.DEFINE_enum("format", "merged", _FORMATS, "What to write.")
_OUT = flags.DEFINE_string("out", None, "Folder to write; new or empty.")
_BASE = flags.DEFINE_string(
  "base", "", "Where PEFT finds the base model: a hub id or a folder."
)


def main() -> None:
  from glimo_jax import workdir
  from glimo_jax.models import lora
  from glimo_jax.models.loading import sources
  from glimo_jax.train import export

  if not _OUT.value:
    raise common.UsageError("--out is missing: name a folder")
  out = pathlib.Path(_OUT.value).expanduser()
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise common.UsageError(f"--out={out} is not empty: name a new folder")
  if _BASE.value and _FORMAT.value != "peft":
    raise common.UsageError("--base is for --format=peft: drop it")
  trained, base, adapter = common.trained(flags.FLAGS.workdir)
  config, params, tokenizer = base
  source = workdir.settings_of(trained)["model"]["source"]
  if _FORMAT.value == "merged":
    merged = lora.merge(params, adapter)
    export.save_checkpoint((config, merged, tokenizer), out)
  else:
    base_path = _BASE.value or sources.for_others(source)
    if not base_path:
      base_path = str((out / "base").resolve())
      export.save_checkpoint(base, base_path)
    export.save_peft(adapter, config, out, base_path)
    tokenizer.save_folder(out)
  print(f"{_FORMAT.value}: {out}, from {trained}")


if __name__ == "__main__":
  common.start(main)
