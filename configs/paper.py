"""The paper's setting: Llama 3 8B, a served teacher, one node of eight GPUs.

  vllm serve meta-llama/Llama-3.3-70B-Instruct --tensor-parallel-size=8
  JAX_PLATFORMS=cpu python -m launch.collect --config=configs/paper.py --workdir=runs/paper
  JAX_PLATFORMS=cpu python -m launch.annotate --config=configs/paper.py --workdir=runs/paper
  python -m launch.train --config=configs/paper.py --workdir=runs/paper
  python -m launch.evaluate --config=configs/paper.py --workdir=runs/paper

Not yet run: no number to expect, and sizes and rates that nothing has chosen.
Hardware: one node with eight GPUs of 80 GB. The server has all of them until
the rows are written; stop it before the training. Time, reckoned: 7 hours.
- collect 1.5 h, annotate 3 h: one process, at the quickstart's seconds a moment
  and a row on two cores (docs/scale.md).
- The teacher answers 85,000 requests meanwhile: 1.2 h at 20,000 prompt and
  4,000 answer tokens a second, 600 and 80 tokens a request (assumed).
- train 4 minutes and compilation: 1,000 steps of 16,384 tokens and 2,048 of
  replay, 6.2e14 FLOPs, at an MFU of .35 on eight H100 (assumed).
- evaluate 2.3 h: 20 million tokens read on one GPU at a tenth of its peak, and
  half a million written at 100 a second (assumed).
Cost: 7 h x 8 GPUs at 2.50 dollars an hour (assumed), 140 dollars.
The paper does not publish its own sizes, prompts or rates.
"""  # noqa: E501

from ml_collections import config_dict

from configs import laptop


def get_config() -> config_dict.ConfigDict:
  """The laptop's config with a larger model, more rows and a teacher."""
  config = laptop.get_config()
  config.model.update(
    source="meta-llama/Meta-Llama-3-8B-Instruct", dtype="bfloat16"
  )
  config.teacher.update(
    base_url="http://127.0.0.1:8000/v1",
    model="meta-llama/Llama-3.3-70B-Instruct",
    concurrency=64,
  )
  config.collect.update(levels=25_000, moments=38_000)
  for name, rows in (
    ("question", 20_000), ("next_action", 25_000), ("plan", 2_000),
    ("predict", 1_500), ("explain", 1_500),
  ):  # fmt: skip
    config.annotate.skills[name].update(rows=rows, drafted=rows)
  config.lora.first_layer = 0  # all layers
  # Two stages, as in the paper: questions, then actions with questions. Each
  # GPU holds the whole model and one packed row of each kind.
  config.train.update(
    understanding_steps=400, acting_steps=600, lr=2e-4, warmup=50, batch=8,
    length=2048, replay_batch=8, replay_length=256, remat="full",
    checkpoint_every=100,
  )  # fmt: skip
  return config
