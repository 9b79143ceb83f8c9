"""The quickstart with another model: Qwen2.5-Coder-0.5B-Instruct.

  python -m launch.pipeline --config=configs/quickstart_qwen.py --workdir=runs/quickstart_qwen --config.model.source=FILE.gguf

`model.source` is its hub id, which needs a network at first, or a GGUF file or
Hugging Face folder of it. Data, steps and questions are those of
configs/quickstart.py; the upper half of the 24 layers is adapted. Not measured
yet: the model has 3.7 times the parameters of SmolLM2-135M, so expect four times
its training time and 5 GiB on a CPU. `:tiny` is the size for tests.
"""  # noqa: E501

from ml_collections import config_dict

from configs import quickstart


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  config.model.source = "Qwen/Qwen2.5-Coder-0.5B-Instruct"
  config.lora.first_layer = 12
  return config
