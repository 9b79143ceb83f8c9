"""The world `driving`: each method of the contract as one call."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from simulators import base
from simulators import claims as claims_lib
from simulators.base import LevelPool, Question, QuestionArrays, State
from simulators.claims import Claim, Outlook
from simulators.driving import claims, reference, render, script, variants
from simulators.driving.game import dynamics, oracle, pools
from simulators.driving.questions import sampling
from simulators.driving.text import describing, parsing, words
from simulators.driving.types import ACTIONS, Config, Level, Obs, Params

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Driving(base.World):
  """A city car among drivers who follow IDM and MOBIL.

  Actions: keep, faster, slower, left, right, stop, go; each lasts a second. An
  episode ends with reward 1 when the ego passes the goal in time. It ends
  without reward on a collision, off the road, over a red light, past a
  pedestrian, or in the way of an oncoming car. The depths of a pool are
  scenario families. `types.Obs` holds what the ego sees, `game/metrics.py`
  what is measured.
  """

  config: Config = dataclasses.field(default_factory=Config)

  name = "driving"
  actions = ACTIONS
  words = words.PLAIN
  splits = pools.SPLITS
  measures = (
    "collision", "at_fault", "off_road", "red_light", "no_yield", "forced",
    "progress", "closed_loop_score",
  )  # fmt: skip
  lookups = sampling.LOOKUPS
  # Shown in descriptions or questions, or summed up; no later step reads them.
  memories = ("past", "chance", "meters")
  reference = reference
  claim_forms = claims.FORMS

  def __post_init__(self) -> None:
    sampling.names(self.config)  # raises for unknown kinds

  @property
  def question_kinds(self) -> tuple[str, ...]:
    return sampling.names(self.config)

  # --- Rules and levels -----------------------------------------------------

  def variants(self) -> tuple[str, ...]:
    return variants.VARIANTS

  def params(self, variant: str = "real") -> Params:
    params = variants.parse(variant)
    if float(params.reaction) > self.config.reaction:
      raise ValueError(
        f"variant {variant!r}: drivers of this world react at most "
        f"{self.config.reaction} s late: raise its field `reaction`"
      )
    return params

  def depths(
    self, split: str, depths: Sequence[int] | None = None
  ) -> tuple[int, ...]:
    return pools.depths_of(split, depths)

  def pool(
    self, split: str, size: int, depths: Sequence[int] | None = None
  ) -> LevelPool:
    return pools.pool(split, size, depths, self.config)

  # --- Playing --------------------------------------------------------------

  def reset(self, key: Array, params: Params, level: Level) -> State:
    return dynamics.reset(key, params, level, self.config)

  def step(self, state: State, action: Array, params: Params) -> State:
    return dynamics.step(state, action, params, self.config)

  def legal(self, state: State, params: Params) -> Array:
    return dynamics.legal(state, params)

  def render(self, state: State, params: Params) -> Array:
    return render.render(state, params)

  def script(self, rules: str) -> script.Script:
    return script.Script(rules)

  # --- True costs and answers -----------------------------------------------

  def oracle(self, state: State, params: Params) -> Array:
    """f32[A] s: what the score loses, in seconds; lower is better, finite."""
    return oracle.costs(state.env_state, params, self.config)

  def follow(self, state: State, params: Params) -> Array:
    """i32[]: the action of a baseline driver that knows IDM alone."""
    return oracle.follow(state.env_state, params)

  def sample_questions(
    self, key: Array, state: State, params: Params
  ) -> QuestionArrays:
    return sampling.sample(key, state, params, self.config)

  def answer(
    self, state: State, params: Params, kind: Array, args: Array
  ) -> Array:
    return sampling.answer(state, params, kind, args, self.config)

  def parse_claim(self, text: str) -> Claim | None:
    return claims_lib.read(text, claims.KINDS)

  def check_claim(self, claim: Claim, outlook: Outlook) -> bool:
    return claims_lib.holds(claim, outlook, claims.KINDS)

  def explain(
    self, action: str, outlook: Outlook, things: tuple[str, ...]
  ) -> tuple[str, ...]:
    del things  # the world names no subgoals
    return claims.explain(action, outlook)

  # --- Words: numpy observations in, text out -------------------------------

  def describe(self, obs: Obs) -> list[str]:
    return describing.describe(obs, self.config.rendering)

  def instruction(self, obs: Obs) -> list[str]:
    return describing.instruction(obs)

  def rules(self, params: Params) -> str:
    del params  # a variant changes the dynamics, never the text
    return describing.rules(self.config.rendering)

  def ask(
    self, questions: QuestionArrays, obs: Obs, seed: int
  ) -> list[list[Question]]:
    return sampling.ask(questions, obs, seed, self.config)

  def parse(self, text: str) -> int | None:
    return parsing.parse(text)

  def parse_description(self, text: str, rules: str = "") -> dict[str, Any]:
    del rules
    return parsing.parse_description(text)
