"""AgentWorld as a world: each method of the contract is one call."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from simulators import claims as claims_lib
from simulators.agentworld import (
  claims,
  lookalikes,
  queries,
  reference,
  render,
  rule_uses,
  variants,
)
from simulators.agentworld.config import Config
from simulators.agentworld.game import dynamics, oracle, pools, subgoals
from simulators.agentworld.queries import SimulatedFacts
from simulators.agentworld.questions import sampling
from simulators.agentworld.script import Script
from simulators.agentworld.text import describe, read, rules
from simulators.agentworld.text.scene import ROOMS, YOURS
from simulators.agentworld.types import Level, Obs, Params
from simulators.agentworld.vocabulary import ACTIONS, SUBGOALS
from simulators.base import LevelPool, Question, QuestionArrays, State, World
from simulators.claims import Claim, Outlook

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class AgentWorld(World):
  """A grid of rooms; tools open the elements that bar the way.

  Actions: up, down, left, right. The episode ends with reward 1 when the
  level's goal is achieved, and without reward in a hazard. It is cut off after
  `config.horizon` steps. `types.Obs` is what the agent sees.
  """

  config: Config = dataclasses.field(default_factory=Config)

  name = "agentworld"
  actions = ACTIONS
  splits = pools.SPLITS
  memories = ("tried", "trail")  # for questions; they have no effect
  words = (YOURS, *ROOMS)  # other words name things, except the actions
  lookups = sampling.LOOKUPS
  reference = reference
  subgoals = SUBGOALS
  claim_forms = claims.FORMS
  queries = queries.LANGUAGE

  def __post_init__(self) -> None:
    sampling.kinds(self.config)  # raises for kinds that cannot be asked

  @property
  def question_kinds(self) -> tuple[str, ...]:
    return sampling.names(self.config)

  # --- Rules and levels -------------------------------------------------------

  def variants(self) -> tuple[str, ...]:
    return variants.VARIANTS

  def params(self, variant: str = "real") -> Params:
    return variants.parse(variant, self.config.one_hand)

  def depths(
    self, split: str, depths: Sequence[int] | None = None
  ) -> tuple[int, ...]:
    return pools.depths_of(split, depths, self.config)

  def pool(
    self, split: str, size: int, depths: Sequence[int] | None = None
  ) -> LevelPool:
    return pools.pool(split, size, depths, self.config)

  # --- Playing ----------------------------------------------------------------

  def reset(self, key: Array, params: Params, level: Level) -> State:
    return dynamics.reset(key, params, level, self.config)

  def step(self, state: State, action: Array, params: Params) -> State:
    return dynamics.step(state, action, params, self.config)

  def legal(self, state: State, params: Params) -> Array:
    return dynamics.legal(state, params)

  def render(self, state: State, params: Params) -> Array:
    return render.render(state, params)

  # --- Oracle and questions ---------------------------------------------------

  def oracle(self, state: State, params: Params) -> Array:
    return oracle.costs(state, params)

  def solve(self, level: Level, params: Params) -> Array:
    """f32[states]: a table for `lookup`, valid for all states of a level.

    See `oracle.solve`. A pytree of Params is one value: vmap for more.
    """
    return oracle.solve(level, params)

  def lookup(self, table: Array, state: State, params: Params) -> Array:
    """f32[A]: `oracle(state, params)` from the level's table."""
    return oracle.costs(state, params, table)

  def sample_questions(
    self, key: Array, state: State, params: Params
  ) -> QuestionArrays:
    return sampling.sample(key, state, params, self.config)

  def answer(
    self, state: State, params: Params, kind: Array, args: Array
  ) -> Array:
    return sampling.answer(state, params, kind, args, self.config)

  def chain(self, state: State, params: Params) -> Array:
    return subgoals.chain(state, params)

  def work_out(
    self,
    text: str,
    rules: str,
    things: Sequence[str],
    question: Question | None = None,
  ) -> tuple[str, ...]:
    return sampling.work_out(text, rules, things, question)

  def parse_claim(self, text: str) -> Claim | None:
    return claims_lib.read(text, claims.KINDS)

  def check_claim(self, claim: Claim, outlook: Outlook) -> bool:
    return claims_lib.holds(claim, outlook, claims.KINDS)

  def explain(
    self, action: str, outlook: Outlook, things: tuple[str, ...]
  ) -> tuple[str, ...]:
    return claims.explain(action, outlook, things)

  def facts(self, state: State, params: Params) -> SimulatedFacts:
    return SimulatedFacts(state.env_state, params)

  def lookalikes(
    self, state: State, params: Params, seed: int
  ) -> list[SimulatedFacts]:
    return lookalikes.lookalikes(state, params, self.config, seed)

  def rule_uses(self, text: str, action: str, then: str) -> tuple[str, ...]:
    return rule_uses.rule_uses(text, action, then)

  def script(self, rules: str) -> Script:
    return Script(rules)

  # --- Words (numpy in, text out) ---------------------------------------------

  def describe(self, obs: Obs) -> list[str]:
    return describe.describe(obs, self.config)

  def instruction(self, obs: Obs) -> list[str]:
    return rules.instruction(obs)

  def rules(self, params: Params) -> str:
    return rules.rules(params, self.config)

  def ask(
    self, questions: QuestionArrays, obs: Obs, seed: int
  ) -> list[list[Question]]:
    return sampling.ask(questions, obs, seed, self.config)

  def parse(self, text: str) -> int | None:
    return read.parse(text)

  def parse_description(self, text: str, rules: str = "") -> dict[str, Any]:
    return read.parse_description(text, rules)
