"""Judge a run's model in worlds of other projects, without training there.

python -m launch.outside --workdir=runs/quickstart

Writes <workdir>/outside.json and prints its table. Each world has a folder
<workdir>/outside-WORLD, goes on where it was interrupted, and is refused with
other flags. Needs the extra `worlds`: pip install -e '.[worlds]'.
"""

import dataclasses
import json
import pathlib

from absl import flags

from launch import common

flags.declare_key_flag("workdir")  # of `common`: the run's folder
_WORLDS = flags.DEFINE_list(
  "worlds",
  ["minigrid/DoorKey-5x5", "minigrid/DoorKey-6x6", "highway/highway-fast"],
  "Names of simulators.outside.WORLDS.",
)
_EPISODES = flags.DEFINE_integer(
  "episodes", 128, "Episodes of each world.", lower_bound=2
)
_VAL_EPISODES = flags.DEFINE_integer(
  "val_episodes", 32, "Others, to choose the ways of asking.", lower_bound=4
)
_MAX_STEPS = flags.DEFINE_integer(
  "max_steps", 60, "Moves of an episode.", lower_bound=1
)
_RENDERING = flags.DEFINE_enum(
  "rendering",
  "plain",
  ["plain", "compact"],
  "Of SUMO's texts: take the one that a model of Urban Driving learnt.",
)


def main() -> None:
  from simulators import outside as worlds

  narrators = {
    name: worlds.narrator(name, _RENDERING.value) for name in _WORLDS.value
  }
  try:
    for narrator in narrators.values():
      narrator.make()
  except ModuleNotFoundError as error:  # its message names the fix
    raise common.UsageError(str(error)) from error
  from glimo_jax import files, provenance, workdir
  from glimo_jax.agent import llm
  from glimo_jax.evaluate import outside
  from glimo_jax.evaluate.settings import EvaluateConfig
  from glimo_jax.models.sampler import Sampler
  from glimo_jax.progress import Progress
  from simulators.gym_world import GymTextWorld, Scripted

  trained, loaded, adapter = common.trained(flags.FLAGS.workdir)
  sampler = Sampler(*loaded)
  models = (
    llm.LocalLM(sampler, "base"),
    llm.LocalLM(sampler.with_adapter(adapter), "tuned"),
  )
  config = EvaluateConfig(
    episodes=_EPISODES.value,
    val_episodes=_VAL_EPISODES.value,
    max_steps=_MAX_STEPS.value,
    arms=outside.ARMS,
    tuned_arms=(*outside.ARMS, "rationale"),
  )
  commit, results = provenance.commit(), {}
  for name, narrator in narrators.items():
    rivals = {}
    if isinstance(narrator, Scripted):
      rivals["script"] = lambda _, narrator=narrator: narrator.script()
    stage = f"outside-{name.replace('/', '-')}"
    shape = {
      "evaluate": dataclasses.asdict(config),
      "adapter": str(trained.relative_to(flags.FLAGS.workdir)),
      "rendering": _RENDERING.value,
    }
    with workdir.stage(flags.FLAGS.workdir, stage, shape) as opened:
      results[name] = outside.judge(
        name,
        lambda seed, narrator=narrator: GymTextWorld(narrator, seed),
        models,
        config,
        opened.path,
        Progress,
        rivals,
      )
  values = {
    **outside.report(results),
    **provenance.environment(),
    "commit": commit,
    "episodes": config.episodes,
    "max_steps": config.max_steps,
  }
  path = pathlib.Path(flags.FLAGS.workdir) / "outside.json"
  files.write_text(path, json.dumps(values, indent=2) + "\n")
  print(outside.table(values), path, sep="\n")


if __name__ == "__main__":
  common.start(main)
