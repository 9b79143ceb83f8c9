"""Talk to a run's model: base and tuned answer side by side.

python -m launch.chat --workdir=runs/quickstart

Type a message; an empty line or the end of the input ends. Each model goes on
with its own answers.
"""

import sys

from absl import flags

from launch import common

flags.declare_key_flag("workdir")  # of `common`: the run's folder
_TOKENS = flags.DEFINE_integer(
  "max_tokens", 128, "Longest answer.", lower_bound=1
)
_TEMPERATURE = flags.DEFINE_float(
  "temperature", 0.0, "0 takes the likeliest token.", lower_bound=0.0
)


def main() -> None:
  from glimo_jax.models.sampler import Sampler

  _, base, adapter = common.trained(flags.FLAGS.workdir)
  sampler = Sampler(*base)
  models = {"base": sampler, "tuned": sampler.with_adapter(adapter)}
  chats: dict[str, list[dict[str, str]]] = {name: [] for name in models}
  for turn, line in enumerate(_lines()):
    for name, model in models.items():
      chat = chats[name]
      chat.append({"role": "user", "content": line})
      [(text, _, _)] = model.generate(
        [chat], _TOKENS.value, _TEMPERATURE.value, seeds=[turn]
      )
      chat.append({"role": "assistant", "content": text})
      print(f"{name:>5}: {text.strip()}", flush=True)


def _lines():
  """What is typed, up to an empty line."""
  terminal = sys.stdin.isatty()
  while True:
    if terminal:
      print("> ", end="", flush=True)
    line = sys.stdin.readline().strip()
    if not line:
      return
    yield line


if __name__ == "__main__":
  common.start(main)
