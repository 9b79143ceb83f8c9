"""Urban Driving's face: the world contract, each method one call."""

import dataclasses

import jax

from simulators.base import LevelPool, Question, QuestionArrays, State
from simulators.driving import (
  dynamics,
  oracle,
  pools,
  questions,
  reference,
  render,
  text,
  variants,
)
from simulators.driving.types import ACTIONS, Config, Level, Obs, Params

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Driving:
  """A city car among drivers who follow IDM and MOBIL.

  Actions: keep, faster, slower, left, right, stop, go, each for a second.
  Reward 1 and the end on passing the goal in time; the end without reward on
  a collision, off the road, over a red light, past a pedestrian or in the way
  of an oncoming car. `depths` of a pool are families. What is seen:
  `types.Obs`; what is measured: `metrics`.
  """

  config: Config = dataclasses.field(default_factory=Config)

  name = "driving"
  actions = ACTIONS
  words = text.PLAIN
  splits = pools.SPLITS
  measures = (
    "collision", "at_fault", "off_road", "red_light", "no_yield", "forced",
    "progress",
  )  # fmt: skip
  lookups = questions.LOOKUPS
  memories = ("past", "chance", "meters")  # told, asked about or counted
  reference = reference  # the rules again, by a second path

  def __post_init__(self):
    questions.kinds(self.config)  # refuses those that are unknown

  @property
  def question_kinds(self) -> tuple[str, ...]:
    return questions.kinds(self.config)

  def variants(self) -> tuple[str, ...]:
    return variants.VARIANTS

  def params(self, variant: str = "real") -> Params:
    params = variants.parse(variant)
    if float(params.reaction) > self.config.reaction:
      raise ValueError(
        f"{variant!r}: drivers may react {self.config.reaction} s late at "
        "most here: set the world's `reaction` higher"
      )
    return params

  def depths(self, split: str, depths=None) -> tuple[int, ...]:
    return pools.depths_of(split, depths)

  def pool(self, split: str, size: int, depths=None) -> LevelPool:
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

  # --- Knowing --------------------------------------------------------------

  def oracle(self, state: State, params: Params) -> Array:
    """f32[A]: seconds to the goal and penalties; lower is better, finite."""
    return oracle.costs(state.env_state, params, self.config)

  def follow(self, state: State, params: Params) -> Array:
    """i32[]: the action of a driver who knows IDM alone: a baseline."""
    return oracle.follow(state.env_state, params)

  def sample_questions(
    self, key: Array, state: State, params: Params
  ) -> QuestionArrays:
    return questions.sample(key, state, params, self.config)

  def answer(
    self, state: State, params: Params, kind: Array, args: Array
  ) -> Array:
    return questions.answer(state, params, kind, args, self.config)

  # --- Speaking (numpy in, text out) ----------------------------------------

  def describe(self, obs: Obs) -> list[str]:
    return text.describe(obs)

  def instruction(self, obs: Obs) -> list[str]:
    return text.instruction(obs)

  def rules(self, params: Params) -> str:
    return text.rules(params)

  def ask(
    self, questions_: QuestionArrays, obs: Obs, seed: int
  ) -> list[list[Question]]:
    return questions.ask(questions_, obs, seed, self.config)

  def parse(self, text_: str) -> int | None:
    return text.parse(text_)

  def parse_description(self, text_: str) -> dict:
    return text.parse_description(text_)


World = Driving  # what `simulators.make` looks for
