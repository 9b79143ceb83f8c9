"""A run accepts every config, and each config differs as it states."""

import dataclasses

import pytest

import simulators
from benchmarks.checks import scale
from configs import (
  laptop,
  paper,
  quickstart,
  quickstart_driving,
  quickstart_qwen,
  recipe,
  teacher,
  your_world,
)
from glimo_jax.config import Config, check
from glimo_jax.models.loading import sources


def built(values):
  return Config.from_dict(values.to_dict())


def checked(values):
  """Checks a config with a batch of eight, as tests have eight devices."""
  values.train.batch = values.train.replay_batch = 8
  config = built(values)
  check(config, simulators.make(config.world.name, **config.world.options))


def _changed(values, plain, path):
  """Dotted names of the leaves in which two nested settings differ."""
  if isinstance(values, dict) and path != "world.options.kinds":
    return {
      name
      for key in {*values, *plain}
      for name in _changed(values.get(key), plain.get(key), f"{path}.{key}")
    }
  return {path} if values != plain else set()


@pytest.mark.parametrize("arm", recipe.ARMS)
def test_arm_differs_from_the_recipe_only_in_its_named_fields(arm):
  config, plain = (
    dataclasses.asdict(built(recipe.get_config(a))) for a in (arm, "tuned")
  )
  for section, values in config.items():
    changed = _changed(values, plain[section], section)
    named = {n for n in recipe.ARMS[arm] if n.startswith(section)}
    derived = {
      "evaluate.arm", "evaluate.tuned_only",
      "annotate.skills.next_action.drafted", "annotate.skills.plan.drafted",
    }  # fmt: skip
    assert changed - derived == named
  tokens = [
    c["train"]["length"]
    * (
      c["train"]["understanding_steps"]
      + c["train"]["acting_steps"]
      + c["rounds"]["count"] * c["rounds"]["steps"]
    )
    for c in (config, plain)
  ]
  assert tokens[0] == tokens[1]


@pytest.mark.parametrize("arm", recipe.ARMS)
def test_laptop_arm_is_the_recipe_arm_at_a_larger_size(arm):
  small, large = built(recipe.get_config(arm)), built(laptop.get_config(arm))
  assert large.train.length == small.train.length
  steps = laptop.STEPS * small.train.acting_steps
  assert large.train.acting_steps == steps
  assert large.train.replay_length == 2 * small.train.replay_length
  large, small = large.annotate, small.annotate
  assert large.rows("question") == 3 * small.rows("question")
  acting = large.rows("next_action") / small.rows("next_action")
  assert acting == pytest.approx(3.5, abs=0.01)


def test_recipe_trains_as_the_quickstart_does():
  ours, theirs = built(recipe.get_config()), built(quickstart.get_config())
  for section in ("world", "model", "collect", "annotate", "lora", "train"):
    assert getattr(ours, section) == getattr(theirs, section)
  assert ours.rounds.count == theirs.rounds.count


def test_qwen_is_the_quickstart_with_another_model():
  plain, qwen = (
    dataclasses.asdict(built(module.get_config("tiny")))
    for module in (quickstart, quickstart_qwen)
  )
  changed = {"model.source", "lora.first_layer"}
  assert {
    name
    for section in plain
    for name in _changed(qwen[section], plain[section], section)
  } == changed


def test_every_row_of_the_teacher_is_drafted():
  for size in ("", "tiny"):
    config = built(teacher.get_config(size))
    assert config.teacher.base_url
    skills = config.annotate.skills
    assert all(skill.drafted == skill.rows for skill in skills.values())
    assert size or all(skill.rows for skill in skills.values())


def test_paper_is_accepted_with_its_weights_unread(monkeypatch):
  """Everything is checked but the weights, which no test can download."""
  found = []
  monkeypatch.setattr(sources, "locate", lambda *names: found.append(names))
  checked(paper.get_config())
  config = built(paper.get_config())
  assert (config.model.source, "") in found
  assert config.model.dtype == "bfloat16"
  assert config.teacher.base_url
  skills = config.annotate.skills.values()
  assert all(skill.drafted == skill.rows for skill in skills)
  assert sum(skill.rows for skill in skills) == 50_000
  # As on eight devices: one packed row each, without a change by `checked`.
  assert config.train.batch == config.train.replay_batch == 8
  # Two stages, as in the paper, and layers from the first one on.
  assert config.train.understanding_steps
  assert config.train.acting_steps
  assert config.lora.first_layer == 0


def test_paper_is_as_dear_as_its_head_says():
  """The sums of the docstring, from the inputs of docs/scale.md."""
  config, inputs = built(paper.get_config()), scale.Inputs()
  train, head = config.train, paper.__doc__
  steps = train.understanding_steps + train.acting_steps
  tokens = train.batch * train.length
  replay = train.replay_batch * train.replay_length
  flops = (4 * tokens + 6 * replay) * inputs.params
  assert f"{steps:,} steps of {tokens:,} tokens and {replay:,} of" in head
  assert f"{flops / 1e14:.1f}e14 FLOPs" in head
  seconds = steps * flops / (8 * inputs.peak_flops * inputs.mfu)
  assert f"train {seconds / 60:.0f} minutes" in head
  rows = sum(skill.rows for skill in config.annotate.skills.values())
  cost = scale.cost(dataclasses.replace(inputs, cores=2), rows, 1)
  assert f"answers {rows * inputs.requests:,.0f} requests" in head
  assert f"{cost.teacher / 3600:.1f} h at 20,000" in head
  assert f"annotate {cost.annotate / 3600:.0f} h" in head
  assert cost.collect / 3600 == pytest.approx(1.5, rel=0.05)


def test_tiny_and_laptop_sizes_are_accepted():
  built(quickstart.get_config("tiny"))
  large, small = built(laptop.get_config()), built(quickstart.get_config())
  assert large.train.acting_steps > small.train.acting_steps
  for arm in recipe.ARMS:
    built(recipe.get_config(f"{arm}-tiny"))
    built(laptop.get_config(arm))


@pytest.mark.parametrize(
  "config", [laptop, quickstart, quickstart_driving, teacher, your_world]
)
def test_every_pool_of_a_run_can_be_drawn(config):
  checked(config.get_config())


@pytest.mark.parametrize(
  ("section", "depths", "message"),
  [
    ("collect", (3,), r"depths \(3,\) of train"),
    ("evaluate", (0, 1, 2), r"kept for ood-depth"),
  ],
)
def test_depths_are_refused_before_any_work(section, depths, message):
  config = quickstart.get_config()
  config[section].depths = depths
  with pytest.raises(ValueError, match=message):
    checked(config)


@pytest.mark.parametrize(
  "field", ["annotate.skills.question.kinds", "evaluate.kinds"]
)
def test_kinds_unknown_to_the_world_are_refused(field):
  config = quickstart.get_config()
  config.update_from_flattened_dict({field: ("bumps",)})
  with pytest.raises(ValueError, match=rf"{field} \['bumps'\]"):
    checked(config)


def test_impossible_shift_is_refused_at_evaluation():
  config = quickstart.get_config()
  config.world.options.larger = (13,)
  with pytest.raises(ValueError, match="ood-size at depth 1 needs a side"):
    checked(config)
  config.evaluate.ood_episodes = 0
  checked(config)


def test_driving_trains_in_imperfect_worlds_and_evaluates_every_family():
  for size in ("", "tiny"):
    config = built(quickstart_driving.get_config(size))
    assert config.world.name == "driving"
    assert all(v.startswith("imperfect/") for v in config.collect.variants)
    assert config.collect.depths == config.evaluate.depths == tuple(range(8))
    assert config.annotate.rows("plan") == 0  # see the config
  whole, tiny = (
    built(quickstart_driving.get_config(size)) for size in ("", "tiny")
  )
  for section, name in (
    ("collect", "levels"), ("collect", "steps"),
    ("train", "acting_steps"), ("evaluate", "episodes"),
  ):  # fmt: skip
    small, large = (getattr(getattr(c, section), name) for c in (tiny, whole))
    assert small < large
  assert tiny.annotate.rows("question") < whole.annotate.rows("question")
  assert whole.evaluate.episodes % 8 == 0  # equally many of each family


def test_unknown_arm_or_size_is_named():
  with pytest.raises(ValueError, match="no-kl"):
    recipe.get_config("nokl")
  with pytest.raises(ValueError, match="tiny"):
    quickstart.get_config("huge")


def test_phase_on_questions_without_questions_is_refused():
  config = your_world.get_config()
  config.train.understanding_steps = 40
  with pytest.raises(ValueError, match="understanding_steps 40 need rows"):
    checked(config)


def test_rows_that_training_needs_must_be_planned():
  config = quickstart.get_config()
  for skill in config.annotate.skills.values():
    skill.update(rows=0, drafted=0)
  with pytest.raises(ValueError, match="plans no rows"):
    checked(config)
  config = quickstart.get_config()
  config.rounds.count = 1
  config.rounds.rows = {"plan": 2}
  del config.annotate.skills["plan"]
  with pytest.raises(ValueError, match=r"rounds.rows names \['plan'\]"):
    checked(config)
