"""How much an evaluation measures."""

import dataclasses
import difflib
from collections.abc import Sequence

# Ways to ask the same model; the best of them on `val` is the base.
CANDIDATES = ("plain", "few_shot", "retrieval", "prior_calibrated", "sampled")
SUITES = ("test", "val")
WRITTEN = ("write", "plan")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """How much is measured; every number costs time in proportion.

  Attributes:
    episodes: levels of `test` that every arm plays.
    val_episodes: levels of `val` on which the base's arm is chosen.
    per_kind: questions of each kind, on `test`.
    kinds: of questions; () for all that the world asks.
    val_per_kind: questions of each kind on which the base's arm is chosen.
    depths: chain depths of `test` and `val`.
    ood_episodes: levels of each out-of-distribution split; 0 leaves them out.
    language_tokens: tokens of each held-out text.
    max_steps: actions after which an episode is truncated.
    temperature: of the `sampled` arm.
    shots: solved cases before a prompt of the `few_shot` arm.
    seed: of every draw.
    arms: those of CANDIDATES that the base may choose from.
    suite: `test`, with what lies out of distribution, or `val`, where choices
      are made, at the sizes of `test`.
    tuned_only: leave base, random and oracle to another run's fragment.
    arm: what the tuned model is called where runs are put side by side.
    written: further ways in which both models act, of WRITTEN: `write` an
      action freely instead of choosing it, or a whole `plan` that is followed.
  """

  episodes: int = 128
  val_episodes: int = 24
  per_kind: int = 16
  val_per_kind: int = 4
  kinds: tuple[str, ...] = ()
  depths: tuple[int, ...] = (0, 1)
  ood_episodes: int = 32
  language_tokens: int = 16384
  max_steps: int = 30
  temperature: float = 0.7
  shots: int = 4
  seed: int = 0
  arms: tuple[str, ...] = CANDIDATES
  suite: str = "test"
  tuned_only: bool = False
  arm: str = "tuned"
  written: tuple[str, ...] = ()

  def __post_init__(self):
    least = {
      "episodes": 2, "val_episodes": 2, "per_kind": 1, "val_per_kind": 1,
      "ood_episodes": 0, "language_tokens": 256, "max_steps": 1, "shots": 1,
      "seed": 0,
    }  # fmt: skip
    for name, low in least.items():
      value = getattr(self, name)
      if value < low:
        raise ValueError(
          f"evaluate.{name} {value} must be at least {low}: raise it"
        )
    if self.temperature <= 0:
      raise ValueError(
        f"evaluate.temperature {self.temperature} must be positive: the "
        "'plain' arm is the one without sampling"
      )
    if not self.depths or min(self.depths) < 0:
      raise ValueError(
        f"evaluate.depths {self.depths} must name depths from 0 up, e.g. (0, 1)"
      )
    if not self.arms or len(set(self.arms)) != len(self.arms):
      raise ValueError(
        f"evaluate.arms {self.arms} must name each arm once, e.g. ('plain',)"
      )
    for arm in self.arms:
      check_arm(arm)
    for name in self.written:
      if name not in WRITTEN:
        raise ValueError(
          f"evaluate.written {name!r} is not one of {WRITTEN}: name some of "
          "these, or none"
        )
    if self.suite not in SUITES:
      raise ValueError(
        f"evaluate.suite {self.suite!r} is not one of {SUITES}: choose one"
      )
    if not self.arm or self.arm in ("base", "random", "oracle"):
      raise ValueError(
        f"evaluate.arm {self.arm!r} is the name of another arm: call the tuned "
        "model otherwise"
      )

  def pools(
    self, splits: Sequence[str]
  ) -> list[tuple[str, int, tuple[int, ...] | None]]:
    """(split, levels, depths) of all that is chosen on or judged, of `splits`.

    First `val`, on which the base's arm is chosen, then the suite, then what
    lies out of distribution, at depths of its own (None).
    """
    shifted = [split for split in splits if split.startswith("ood-")]
    if self.suite != "test" or not self.ood_episodes:
      shifted = []
    return [
      ("val", self.val_episodes, self.depths),
      (self.suite, self.episodes, self.depths),
      *((split, self.ood_episodes, None) for split in shifted),
    ]


def check_arm(arm: str) -> None:
  """Raises ValueError for an arm that is none of CANDIDATES."""
  if arm not in CANDIDATES:
    near = difflib.get_close_matches(arm, CANDIDATES, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no arm {arm!r}: {hint}known are {', '.join(CANDIDATES)}")
