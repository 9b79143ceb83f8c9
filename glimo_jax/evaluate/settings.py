"""How much an evaluation measures."""

import dataclasses
import re
from collections.abc import Sequence

from glimo_jax import fields
from glimo_jax.data import texts
from glimo_jax.evaluate import ways
from glimo_jax.play import writers

# Ways to ask the same model; each model is judged in its best one on `val`.
CANDIDATES = tuple(ways.WAYS)
SUITES = ("test", "val")
# Players beside the tuned model; their names are taken.
RIVALS = ("base", "random", "explorer", "script", "mlp", "oracle")
WRITTEN = tuple(writers.WRITERS)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """How much is measured; the time grows in proportion to every number.

  Attributes:
    episodes: levels of `test` that every arm plays.
    val_episodes: levels of `val` on which the ways of asking are chosen.
    per_kind: questions of each kind, on `test`.
    val_per_kind: questions of each kind, for the same choice.
    kinds: question kinds; () for all kinds of the world.
    depths: chain depths of `test` and `val`.
    ood_episodes: levels of each out-of-distribution split; 0 leaves them out.
    language_tokens: tokens of each held-out text.
    chat_prompts: held-out chat prompts that show whether the model can still
      talk, and the most instructions.
    max_steps: actions after which an episode is truncated.
    temperature: of the `sampled` arm.
    shots: solved cases before a prompt of the `few_shot` arm.
    seed: of every draw.
    arms: members of CANDIDATES that the base may choose from.
    tuned_arms: members of CANDIDATES that the tuned model may choose from.
    suite: `test`, with the out-of-distribution splits, or `val`, where choices
      are made, at the sizes of `test`.
    tuned_only: leave base, random and oracle to another run's fragment.
    arm: name of the tuned model where runs are put side by side.
    training_spread, training_spread_qa: known standard deviations of success
      and of answers between trainings of one recipe (docs/recipe.md). They
      widen the intervals of a single training; 0 adds nothing.
    written: further ways in which both models act, members of WRITTEN: `write`
      an action freely instead of choosing it, or follow a whole `plan`.
  """

  episodes: int = 128
  val_episodes: int = 64
  per_kind: int = 16
  val_per_kind: int = 4
  kinds: tuple[str, ...] = ()
  depths: tuple[int, ...] = (0, 1)
  ood_episodes: int = 32
  language_tokens: int = 16384
  chat_prompts: int = 100
  max_steps: int = 30
  temperature: float = 0.7
  shots: int = 4
  seed: int = 0
  arms: tuple[str, ...] = (
    "plain", "few_shot", "retrieval", "prior_calibrated", "sampled", "options",
    "options_calibrated", "instructed", "instructed_calibrated",
  )  # fmt: skip
  tuned_arms: tuple[str, ...] = ("plain", "options")
  suite: str = "test"
  tuned_only: bool = False
  arm: str = "tuned"
  training_spread: float = 0.045
  training_spread_qa: float = 0.032
  written: tuple[str, ...] = ()

  def __post_init__(self):
    fields.check_ranges(
      self,
      "evaluate.",
      at_least={
        "episodes": 2, "val_episodes": 2, "per_kind": 1, "val_per_kind": 1,
        "ood_episodes": 0, "language_tokens": 256, "max_steps": 1, "shots": 1,
        "seed": 0, "training_spread": 0, "training_spread_qa": 0,
        "chat_prompts": 2,
      },
      above={"temperature": 0},
      at_most={"chat_prompts": len(texts.prompts("held_out_chats"))},
    )  # fmt: skip
    if not self.depths or min(self.depths) < 0:
      raise ValueError(
        f"evaluate.depths {self.depths} must name depths from 0 up, e.g. (0, 1)"
      )
    for name in ("arms", "tuned_arms"):
      arms = getattr(self, name)
      if not arms or len(set(arms)) != len(arms):
        raise ValueError(
          f"evaluate.{name} {arms} must name each arm once, e.g. ('plain',)"
        )
      for arm in arms:
        fields.check_known(f"evaluate.{name}", arm, CANDIDATES)
    for name in self.written:
      fields.check_known("evaluate.written", name, WRITTEN)
    fields.check_known("evaluate.suite", self.suite, SUITES)
    if not re.fullmatch(r"[\w-][\w.-]*", self.arm):
      raise ValueError(
        f"evaluate.arm {self.arm!r} names files: use letters, digits and -"
      )
    if self.arm in RIVALS:
      raise ValueError(
        f"evaluate.arm {self.arm!r} is the name of another arm: give the tuned "
        "model another name"
      )

  def pools(
    self, splits: Sequence[str]
  ) -> list[tuple[str, int, tuple[int, ...] | None]]:
    """(split, levels, depths) of every pool, in order.

    First `val`, on which the ways are chosen, then the suite, then the
    out-of-distribution splits, at the depths of the world's choice (None).

    Args:
      splits: the world's.
    """
    shifted = [split for split in splits if split.startswith("ood-")]
    if self.suite != "test" or not self.ood_episodes:
      shifted = []
    return [
      ("val", self.val_episodes, self.depths),
      (self.suite, self.episodes, self.depths),
      *((split, self.ood_episodes, None) for split in shifted),
    ]
