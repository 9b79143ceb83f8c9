"""Every world fulfils the contract of `simulators.base`; broken ones fail."""

import dataclasses
import re
import subprocess
import sys
import types
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from examples import your_world
from simulators import base
from tests.simulators.contract import CHECKS, Case


class Complete(your_world.World):
  """The example with a minimal version of each optional part."""

  question_kinds = ("floor",)
  lookups = ("floor",)
  words = ("lift", "floor")
  config = None

  def oracle(self, state, params):
    del params
    obs, moves = state.obs, jnp.array([1, -1, 0])
    floor = jnp.clip(obs.floor + moves, 0, your_world.FLOORS - 1)
    aboard = (obs.phase == 1) | (
      (jnp.arange(3) == your_world.OPEN) & (floor == obs.waiting)
    )
    onward = jnp.where(
      aboard,
      abs(floor - obs.wanted) + 1,
      abs(floor - obs.waiting) + abs(obs.waiting - obs.wanted) + 2,
    )
    leaves = (obs.phase == 1) & (jnp.arange(3) == your_world.OPEN)
    end = jnp.where(floor == obs.wanted, 1.0, jnp.inf)
    return jnp.where(leaves, end, 1.0 + onward.astype(jnp.float32))

  def sample_questions(self, key, state, params):
    del key, params
    floors = jnp.arange(your_world.FLOORS, dtype=jnp.int32)
    return base.QuestionArrays(
      args=jnp.zeros((1, 1), jnp.int32),
      answer=state.obs.floor[None],
      options=floors[None],
      valid=jnp.ones(1, bool),
    )

  def answer(self, state, params, kind, args):
    del params, kind, args
    return state.obs.floor

  def ask(self, questions, obs, seed):
    del obs, seed
    choices = tuple(str(x) for x in range(your_world.FLOORS))
    codes = [int(row[0]) for row in questions.answer]
    return [
      [base.Question("floor", "Which floor?", choices, choices[x], (0,), x)]
      for x in codes
    ]

  reference = types.SimpleNamespace(
    Game=types.SimpleNamespace(
      from_state=lambda hidden, params, config: hidden
    ),
    answer=lambda game, kind, args: int(game["obs"].floor),
  )

  def parse_description(self, text, rules=""):
    del rules
    return {"numbers": re.findall(r"\d+", text), "aboard": "in the" in text}

  def render(self, state, params):
    del params
    rows = jnp.arange(your_world.FLOORS)[:, None, None] == state.obs.floor
    return jnp.broadcast_to(jnp.where(rows, 255, 0), (8, 4, 3)).astype(
      jnp.uint8
    )


# Kinds of question without the planner, which compiles slowly.
DRIVING_KINDS = (
  "light", "people", "lane", "beside", "pace", "limit", "rule", "halt",
)  # fmt: skip
CASES: dict[str, Callable[[], Case]] = {
  "agentworld": lambda: Case(
    simulators.make("agentworld", horizon=16, detour=0), 16
  ),
  "driving": lambda: Case(
    simulators.make("driving", kinds=DRIVING_KINDS),
    steps=40,
    eager=False,
    exact=False,
  ),
  "examples.your_world:World": lambda: Case(
    simulators.make("examples.your_world:World"), your_world.HORIZON
  ),
  "complete": lambda: Case(Complete(), your_world.HORIZON),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
  return CASES[request.param]()


def test_importing_simulators_imports_no_jax():
  code = "import sys, simulators; print('jax' in sys.modules)"
  out = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  )
  assert out.stdout.strip() == "False"


def test_every_registered_world_is_a_case():
  assert set(simulators.WORLDS) <= set(CASES)


@pytest.mark.parametrize("check", CHECKS)
def test_world_fulfils_the_contract(case, check):
  CHECKS[check](case)


# --- A world that breaks one property fails its check -------------------------

HEALTHY = your_world.World()
_draw = np.random.default_rng(0)


def _changed(**fields):
  """A step like the example's, with these fields of its State changed."""

  def step(self, state, action, params):
    new = HEALTHY.step(state, action, params)
    made = {name: make(new) for name, make in fields.items()}
    return dataclasses.replace(new, **made)

  return {"step": step}


def _other_params(self, variant="real"):
  if variant == "real":
    return HEALTHY.params(variant)
  return {"stuck": HEALTHY.params("imperfect/stuck(1)").stuck}


def _other_pool(self, split, size, depths=None):
  pool = HEALTHY.pool(split, size, depths)
  return dataclasses.replace(pool, hashes=pool.hashes + _draw.integers(1, 99))


def _one_pool(self, split, size, depths=None):
  self.depths(split, depths)
  pool = HEALTHY.pool("train", size)
  return dataclasses.replace(pool, split=split)


def _impure_reset(self, key, params, level):
  floor = jnp.int32(_draw.integers(1 << 20))
  return HEALTHY.reset(key, params, dataclasses.replace(level, wanted=floor))


def _step_by_jit(self, state, action, params):
  new = HEALTHY.step(state, action, params)
  jitted = isinstance(action, jax.core.Tracer)
  return new if jitted else dataclasses.replace(new, reward=new.reward + 1)


def _numbered(self, obs):
  return [f"{i}: {text}" for i, text in enumerate(HEALTHY.describe(obs))]


def _never(state):
  return jnp.zeros_like(state.terminated)


# (check, what the world does instead)
DYNAMICS = [
  ("replay_reproduces_the_states", {"reset": _impure_reset}),
  ("batch_equals_its_rows_with_and_without_jit", {"step": _step_by_jit}),
  ("episodes_end_and_stay_ended", _changed(truncated=_never)),
  (
    "success_is_a_rewarded_termination",
    _changed(reward=lambda state: 0.0 * state.reward),
  ),
  ("oracle_costs_lead_to_success", {"oracle": lambda *_: jnp.ones(3)}),
]
OTHERS = [
  ("variants_are_values_of_one_type", {"params": _other_params}),
  ("pools_repeat_and_splits_are_disjoint", {"pool": _other_pool}),
  ("pools_repeat_and_splits_are_disjoint", {"pool": _one_pool}),
  (
    "legal_gives_one_flag_for_each_action",
    {"legal": lambda *_: jnp.ones(2, bool)},
  ),
  ("metrics_hold_all_measures", {"measures": ("speed",)}),
  ("texts_of_actions_and_moments", {"parse": lambda self, text: 0}),
  ("texts_of_actions_and_moments", {"describe": _numbered}),
  (
    "answers_equal_those_of_the_questions",
    {"answer": lambda self, state, *_: state.obs.floor + len(state.metrics)},
  ),
  (
    "the_reference_gives_the_same_answers",
    {
      "reference": types.SimpleNamespace(
        Game=Complete.reference.Game, answer=lambda *_: -1
      )
    },
  ),
  (
    "descriptions_can_be_parsed",
    {"parse_description": lambda self, text, rules="": {"text": len(text) > 0}},
  ),
  (
    "scripted_readers_know_the_texts_alone",
    {"script": lambda *_: types.SimpleNamespace(scores=lambda t, _: [t])},
  ),
  ("pictures_are_rgb", {"render": lambda *_: jnp.zeros((8, 4))}),
]


@pytest.fixture(scope="module")
def healthy():
  return Case(Complete(), your_world.HORIZON)


@pytest.mark.parametrize(("check", "change"), [*DYNAMICS, *OTHERS])
def test_broken_world_fails_its_check(healthy, check, change):
  case = Case(type("Broken", (Complete,), change)(), your_world.HORIZON)
  if (check, change) in OTHERS:  # its episodes equal those of the healthy world
    case.played = healthy.played
  run = CHECKS[check]
  with pytest.raises((AssertionError, KeyError)):
    run(case)


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("agentwrld", "did you mean 'agentworld'"),
    ("no.such:World", "ModuleNotFoundError"),
    (":World", "cannot be imported"),
    ("os:path", "no world"),
    ("simulators.fields:nearest", "no world"),
    ("examples.your_world:Nothing", "AttributeError"),
  ],
)
def test_what_is_no_world_is_refused(name, message):
  with pytest.raises(ValueError, match=message):
    simulators.make(name)
