"""AgentWorld's face: the world contract, each method one call."""

import dataclasses

import jax

from simulators.agentworld import (
  dynamics,
  oracle,
  pools,
  questions,
  reference,
  render,
  text,
  variants,
)
from simulators.agentworld.types import (
  ACTIONS,
  Config,
  Level,
  Obs,
  Params,
)
from simulators.base import SPLITS, LevelPool, Question, QuestionArrays, State

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class AgentWorld:
  """A grid of rooms; tools open the elements that bar the way.

  Actions: up, down, left, right. Reward 1 and the end when what the level asks
  for is so, the end without reward in a hazard; cut off after
  `config.horizon` steps. What is seen: `types.Obs`.
  """

  config: Config = dataclasses.field(default_factory=Config)

  name = "agentworld"
  actions = ACTIONS
  words = ()  # but the actions: another world calls things otherwise
  splits = SPLITS
  measures = ()  # success tells all
  lookups = questions.LOOKUPS
  memories = ("tried", "trail")  # asked about, without effect
  reference = reference  # the rules again, by a second path

  def __post_init__(self):
    questions.kinds(self.config)  # refuses those that are unknown

  @property
  def question_kinds(self) -> tuple[str, ...]:
    return questions.kinds(self.config)

  def variants(self) -> tuple[str, ...]:
    return variants.VARIANTS

  def params(self, variant: str = "real") -> Params:
    return variants.parse(variant)

  def depths(self, split: str, depths=None) -> tuple[int, ...]:
    return pools.depths_of(split, depths, self.config)

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
    return oracle.costs(state, params)

  def solve(self, level: Level, params: Params) -> Array:
    """f32[states]: a table for `lookup`, good for all states of a level.

    See `oracle.solve`. A pytree of Params is one value: vmap for more.
    """
    return oracle.solve(level, params)

  def lookup(self, table: Array, state: State, params: Params) -> Array:
    """f32[A]: `oracle(state, params)` from the level's table."""
    return oracle.costs(state, params, table)

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
    return text.describe(obs, self.config)

  def instruction(self, obs: Obs) -> list[str]:
    return text.instruction(obs)

  def rules(self, params: Params) -> str:
    return text.rules(params, self.config)

  def ask(
    self, questions_: QuestionArrays, obs: Obs, seed: int
  ) -> list[list[Question]]:
    return questions.ask(questions_, obs, seed, self.config)

  def parse(self, text_: str) -> int | None:
    return text.parse(text_)

  def parse_description(self, text_: str) -> dict:
    return text.parse_description(text_)


World = AgentWorld  # what `simulators.make` looks for
