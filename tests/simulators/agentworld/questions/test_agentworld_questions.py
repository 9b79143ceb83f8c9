"""Questions: two paths agree, texts decide them, answers vary."""

import collections
import dataclasses
import functools
import re
import types
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import simulators
from benchmarks.checks.words import guessed
from simulators import asking
from simulators.agentworld import reference
from simulators.agentworld.questions import sampling
from simulators.agentworld.questions.parts import Names
from simulators.agentworld.questions.sampling import KINDS
from simulators.agentworld.reference import SEARCHED
from simulators.agentworld.text import words
from simulators.agentworld.vocabulary import ANSWERS, ELEMENTS, TOOLS

VARIANTS = (
  "real",
  "imperfect/swapped(0)",
  "imperfect/wrong-rules(0.5)",
  "imperfect/blind(0.3)",
  "imperfect/misread(0.3)",
)
TEN = (
  "where", "adjacent", "nearer", "which_tool", "bump", "if_held", "reachable",
  "optimal_next", "plan", "steps",
)  # fmt: skip
WORLD = simulators.make("agentworld", detour=0)
WIDE = simulators.make(
  "agentworld", size=5, boxes=1, hazards=2, walls=2, sides=(5,), larger=(),
  detour=0, goals=("reach", "take", "open", "bring", "push"),
)  # fmt: skip
HINTS = dataclasses.replace(
  WIDE, config=dataclasses.replace(WIDE.config, rendering="hints")
)
STATES = 160  # of each variant
FEW = 64  # of a world with boxes, whose levels have many hidden states
WALK = 12  # random steps at most before the questions


@functools.lru_cache
def _player(world):
  """A jitted function: (keys, levels, params) -> visited states, their keys."""

  @jax.jit
  @functools.partial(jax.vmap, in_axes=(0, 0, None))
  def play(key, level, params):
    reset, walk, length, ask = jax.random.split(key, 4)
    actions = jax.random.randint(walk, (WALK,), 0, len(world.actions))
    stop = jax.random.randint(length, (), 0, WALK + 1)

    def take(i, state):
      new = world.step(state, actions[i], params)
      idle = state.done | (i >= stop)
      return jax.tree.map(lambda a, b: jnp.where(idle, a, b), state, new)

    state = jax.lax.fori_loop(0, WALK, take, world.reset(reset, params, level))
    return state, ask

  return play


@functools.lru_cache
def _sampler(world):
  return jax.jit(jax.vmap(world.sample_questions, (0, 0, None)))


@functools.cache
def _pool(world, count: int):
  return world.pool("train", count, (0, 1))


def _count(world) -> int:
  return FEW if world.config.boxes else STATES


@functools.lru_cache
def _moments(variant: str, world=WORLD, seed: int = 0):
  """States of random walks, with a sampled question of each kind."""
  params, count = world.params(variant), _count(world)
  levels = _pool(world, count).take(np.arange(count))
  keys = jax.random.split(jax.random.key(seed), count)
  state, ask = _player(world)(keys, levels, params)
  asked = _sampler(world)(ask, state, params)
  return params, *jax.device_get((state, asked))


def _row(tree, i):
  return jax.tree.map(lambda x: x[i], tree)


# --- Truth --------------------------------------------------------------------


@pytest.mark.parametrize(
  ("world", "variant"),
  [
    *((WORLD, variant) for variant in VARIANTS),
    (WIDE, "real"),
    (WIDE, "imperfect/misread(0.3)"),
  ],
)
def test_sampled_answers_agree_with_the_reference(world, variant):
  params, states, asked = _moments(variant, world)
  kinds, checked = world.question_kinds, collections.Counter()
  for i in np.flatnonzero(asked.valid.any(-1)):
    game = reference.Game.from_state(_row(states.env_state, i), params)
    for k in np.flatnonzero(asked.valid[i]):
      if kinds[k] in SEARCHED and i % 8:
        continue
      code = asked.options[i, k, asked.answer[i, k]]
      expected = reference.answer(game, kinds[k], asked.args[i, k])
      assert ANSWERS[expected] == ANSWERS[code], (
        kinds[k],
        asked.args[i, k],
        game,
      )
      checked[kinds[k]] += 1
  assert checked.total() > 10 * _count(world)
  assert set(kinds) - set(checked) <= set(
    SEARCHED
  )  # one in eight of these is checked


@pytest.mark.parametrize("variant", ["real", "imperfect/wrong-rules(0.5)"])
def test_question_with_the_same_arguments_has_the_same_truth(variant):
  params, states, asked = _moments(variant)
  rows, kinds = np.nonzero(asked.valid)
  some = np.random.default_rng(0).permutation(len(rows))[:256]
  rows, kinds = rows[some], kinds[some]
  again = jax.jit(jax.vmap(WORLD.answer, (0, None, 0, 0)))(
    _row(states, rows), params, kinds, asked.args[rows, kinds]
  )
  codes = asked.options[rows, kinds, asked.answer[rows, kinds]]
  np.testing.assert_array_equal(again, codes)


def test_wrong_rules_change_the_dynamics_but_not_the_stated_rules():
  _, states, asked = _moments("imperfect/wrong-rules(0.5)")
  real = WORLD.params("real")
  differing = collections.Counter()
  nominal = ("which_tool", "which_element", "opens")
  for i, k in np.argwhere(asked.valid):
    kind = WORLD.question_kinds[k]
    if kind in (*nominal, "if_held", "can_open"):
      game = reference.Game.from_state(_row(states.env_state, i), real)
      code = asked.options[i, k, asked.answer[i, k]]
      other = reference.answer(game, kind, asked.args[i, k])
      differing[kind] += code != other
  assert all(differing[kind] == 0 for kind in nominal)
  assert differing["if_held"] > 0
  assert differing["can_open"] > 0


def test_no_question_is_asked_after_the_end_of_an_episode():
  _, states, asked = _moments("real")
  assert states.done.any()
  assert not asked.valid[states.done].any()
  assert asked.valid[~states.done].any(-1).all()


def test_questions_are_only_about_correctly_seen_things():
  """Checks the words of questions of every kind."""
  for variant in ("imperfect/blind(0.3)", "imperfect/misread(0.3)"):
    params, states, asked = _moments(variant)
    level, obs = states.env_state.level, states.obs
    named = {
      "tool": (obs.tool, np.asarray(params.tool_id)[level.tool_kind]),
      "element": (
        obs.element,
        np.asarray(params.element_id)[level.element_kind],
      ),
    }
    for i, row in enumerate(WORLD.ask(asked, obs, seed=0)):
      wrong = {
        names[word]
        for (seen, true), names in zip(
          named.values(), (TOOLS, ELEMENTS), strict=True
        )
        for word in (*seen[i][seen[i] != true[i]], *true[i][seen[i] != true[i]])
        if word >= 0
      }
      for question in row:
        if KINDS[question.kind].category != "rules":
          words = question.text.replace("?", " ").replace(",", " ").split()
          assert not wrong & set(words), question
          assert question.answer not in wrong or question.kind == "lacking"


def test_move_that_failed_by_chance_is_not_asked_about():
  """The agent stayed although the way was free: the sides do not show it."""
  _, states, asked = _moments("imperfect/failing(0.5)")
  k = WORLD.question_kinds.index("did_move")
  env = states.env_state
  moved = (env.trail[:, 0] != env.agent).any(-1)
  assert (~moved & (env.tried[:, 0] >= 0)).sum() > STATES // 4
  params = WORLD.params("real")
  for i in np.flatnonzero(asked.valid[:, k]):
    game = reference.Game.from_state(_row(env, i), params)
    expected = reference.answer(game, "did_move", asked.args[i, k])
    assert (ANSWERS[expected] == "yes") == moved[i]


def test_lacking_is_correct_if_a_box_is_in_an_open_element():
  """The box blocks the way, and no tool would help."""
  params = WIDE.params()
  kind = WIDE.question_kinds.index("lacking")
  levels = _pool(WIDE, FEW).take(np.arange(FEW))
  agent_at = levels.element_at[:, 0] - np.array([0, 1], np.int32)  # go right

  keys = jax.random.split(jax.random.key(0), FEW)
  states, _ = _player(WIDE)(keys, levels, params)
  env = states.env_state
  env = env.replace(
    agent=jnp.asarray(agent_at),
    opened=env.opened.at[:, 0].set(True),
    boxes=env.boxes.at[:, 0].set(levels.element_at[:, 0]),
  )
  states = states.replace(env_state=env)
  asked = _sampler(WIDE)(keys, states, params)
  states, asked = jax.device_get((states, asked))
  checked = 0
  for i in np.flatnonzero(asked.valid[:, kind]):
    game = reference.Game.from_state(_row(states.env_state, i), params)
    code = asked.options[i, kind, asked.answer[i, kind]]
    args = asked.args[i, kind]
    assert reference.answer(game, "lacking", args) == code
    checked += 1
  assert 0 < checked < FEW


# --- Balance ------------------------------------------------------------------


@pytest.mark.parametrize(
  ("world", "variant", "batches"),
  [(WORLD, "real", 8), (WORLD, VARIANTS[1], 8), (WIDE, "real", 12)],
)
def test_every_kind_appears_and_none_has_a_constant_answer(
  world, variant, batches
):
  drawn = [_moments(variant, world, seed)[2] for seed in range(batches)]
  asked = jax.tree.map(lambda *x: np.concatenate(x), *drawn)
  for k, kind in enumerate(world.question_kinds):
    rows = np.flatnonzero(asked.valid[:, k])
    assert len(rows) >= 6, (kind, len(rows))
    answers = asked.options[rows, k, asked.answer[rows, k]]
    count = collections.Counter(answers.tolist())
    share = max(count.values()) / len(rows)
    # Two standard deviations of a fair coin's share. A random walk seldom has
    # the right tool in hand where `bump` is asked.
    spread = 1.0 / len(rows) ** 0.5 + 0.25 * (kind == "bump")
    assert share <= 0.6 + spread, (kind, share, len(rows))


def test_name_of_an_object_does_not_reveal_the_answer():
  """Goals are behind closed elements and farther away than tools."""
  params = WORLD.params()
  n = 4 * STATES
  levels = _pool(WORLD, n)
  keys, rows = jax.random.split(jax.random.key(1), n), []
  for part in np.split(
    np.arange(n), 4
  ):  # one size for all tests: one compilation
    state, ask = _player(WORLD)(keys[part], levels.take(part), params)
    asked = jax.device_get(_sampler(WORLD)(ask, state, params))
    rows += WORLD.ask(asked, jax.device_get(state.obs), seed=0)
  for kind in ("nearer", "reachable", "way_bar"):
    questions = [q for row in rows for q in row if q.kind == kind]
    usual, by_words = guessed(questions[::2], questions[1::2]).mean(0)
    assert len(questions) >= n // 8, kind
    assert by_words - usual <= 0.03 + 1.0 / len(questions) ** 0.5, (
      kind,
      by_words,
    )


@pytest.mark.parametrize(
  ("kind", "rule"),
  [
    ("task", "goals=\\('reach',\\).*set goals to two"),
    ("pushes", "boxes=0.*set boxes to 1"),
    ("deadly", "hazards=0.*set hazards to 1"),
  ],
)
def test_kind_without_suitable_levels_is_omitted_and_refused(kind, rule):
  assert kind not in WORLD.question_kinds
  assert WIDE.question_kinds == tuple(KINDS)
  with pytest.raises(ValueError, match=f"'{kind}' is never asked with {rule}"):
    simulators.make("agentworld", kinds=("where", kind))
  kinds = dataclasses.replace(WIDE.config, kinds=("where", kind))
  assert sampling.names(kinds) == ("where", kind)


def test_all_other_kinds_are_asked_in_every_world():
  idle = {"task", "pushes", "deadly"}
  assert set(WORLD.question_kinds) == set(KINDS) - idle


# --- Kinds --------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_has_three_templates_and_fills_their_gaps(kind):
  assert len(set(kind.templates)) >= 3
  names = Names(("goal", *TOOLS[:3]), ELEMENTS[:3], "success")
  gaps = kind.gaps((0, 1, 1, 1), names)
  for template in kind.templates:
    assert "{" not in template.format(aim=names.aim, **gaps)
  answers = {words.removeprefix("goal ") for words in kind.share}
  assert answers <= set(ANSWERS)


def test_kinds_are_in_eleven_categories_with_one_file_each():
  assert tuple(KINDS)[: len(TEN)] == TEN
  assert [kind.number for kind in KINDS.values()] == list(range(len(KINDS)))
  assert len({kind.category for kind in KINDS.values()}) == 11
  for kind in KINDS.values():
    file = kind.truth.__module__.rpartition(".")[2]
    assert file == kind.category.replace(" ", "_"), kind.name


def test_kinds_and_reference_answers_match():
  assert set(reference.answered()) == set(KINDS)
  assert set(SEARCHED) < set(KINDS)


@pytest.mark.parametrize(
  ("change", "message"),
  [({"number": 0}, "next free number"), ({"name": "where"}, "rename one")],
)
def test_kinds_that_repeat_a_number_or_a_name_are_refused(change, message):
  one, two = list(KINDS.values())[:2]
  module = types.ModuleType("kinds")
  vars(module).update(one=one, two=dataclasses.replace(two, **change))
  with pytest.raises(ValueError, match=message):
    asking.collect([module])


def test_world_asks_the_configured_kinds():
  config = dataclasses.replace(WORLD.config, kinds=("steps", "where"))
  assert sampling.names(config) == ("steps", "where")
  wrong = dataclasses.replace(WORLD.config, kinds=("wheer",))
  with pytest.raises(ValueError, match="did you mean \\['where'\\]"):
    sampling.names(wrong)
  twice = dataclasses.replace(WORLD.config, kinds=("where", "where"))
  with pytest.raises(ValueError, match="drop it"):
    sampling.names(twice)
  with pytest.raises(ValueError, match="did you mean \\['where'\\]"):
    simulators.make("agentworld", kinds=("wheer",))  # before any work


# A checksum for each kind of the sampled arguments, choices and answers.
GOLDEN = {
  "real": (
    871079335, 3589689671, 1061425237, 974183612, 2259855486,
    2074873474, 1783887416, 1688081553, 1427244962, 2006343757,
  ),
  "imperfect/wrong-rules(0.5)": (
    871079335, 3589689671, 1061425237, 974183612, 2259855486,
    308343439, 1783887416, 4116515757, 415619263, 3424470400,
  ),
}  # fmt: skip
GOLDEN_WORDS = {
  "where": "up or down: where is goal?",
  "which_tool": "what do you need for door?",
  "reachable": "can you reach goal and open nothing?",
}


@pytest.mark.parametrize("variant", GOLDEN)
def test_samples_of_the_first_ten_kinds_are_unchanged(variant):
  world = simulators.make("agentworld", kinds=TEN, detour=0)
  params = world.params(variant)
  levels = _pool(WORLD, STATES).take(np.arange(16))
  keys = jax.random.split(jax.random.key(7), 32)[:16]
  state, ask = _player(world)(keys, levels, params)
  asked = _sampler(world)(ask, state, params)
  asked, obs = jax.device_get((asked, state.obs))
  sums = [
    zlib.crc32(
      b"".join(
        np.ascontiguousarray(x[:, k]).astype(np.int32).tobytes()
        for x in (asked.args, asked.answer, asked.options, asked.valid)
      )
    )
    for k in range(len(TEN))
  ]
  assert dict(zip(TEN, sums, strict=True)) == dict(
    zip(TEN, GOLDEN[variant], strict=True)
  )
  if variant == "real":
    questions = world.ask(asked, obs, seed=5)[11]
    assert {q.kind: q.text for q in questions} == GOLDEN_WORDS


# --- Words --------------------------------------------------------------------


@pytest.mark.parametrize("world", [WORLD, WIDE])
def test_question_texts_offer_the_truth_and_fit_the_budget(world):
  _, states, asked = _moments("real", world)
  rows = world.ask(asked, states.obs, seed=1)
  texts = collections.defaultdict(set)
  for i, row in enumerate(rows):
    valid = [world.question_kinds[k] for k in np.flatnonzero(asked.valid[i])]
    assert [q.kind for q in row] == valid
    for question in row:
      assert question.answer in question.choices
      assert len(set(question.choices)) == len(question.choices) > 1
      assert "{" not in question.text
      # A word or a mark is one token in common vocabularies.
      marks = sum(question.text.count(mark) for mark in "?.,:()")
      past = KINDS[question.kind].category == "history"
      assert len(question.text.split()) + marks <= (28 if past else 16)
      texts[question.kind].add(question.text)
  assert set(texts) == set(world.question_kinds)
  often = np.array(world.question_kinds)[asked.valid.sum(0) >= 16]
  assert len(often) > 20
  assert all(len(texts[kind]) >= 3 for kind in often)


def test_parts_omitted_from_hints_are_not_asked_about():
  """Checks the words of the text and of the question."""
  _, states, asked = _moments("real", HINTS)
  rows = HINTS.ask(asked, states.obs, seed=1)
  checked = collections.Counter()
  for text, row in zip(HINTS.describe(states.obs), rows, strict=True):
    parsed = HINTS.parse_description(text)
    for question in row:
      checked[question.kind] += _is_stated(question, parsed, text)
  assert checked.total() > 6 * FEW
  assert asked.valid.sum() - sum(map(len, rows)) > FEW // 8
  assert all(checked[kind] for kind in ("nearer", "pushes", "way_bar", "takes"))


PLACED = (
  "where", "nearer", "distance", "apart", "aligned", "relative", "nears",
  "next_distance", "was_distance", "approached", "plan",
)  # fmt: skip


def _is_stated(question, parsed, text) -> bool:
  """Asserts that a text mentions what is asked about; False if irrelevant."""
  kind, where = question.kind, (question, text)
  if KINDS[kind].category == "rules":
    return False
  named = set(re.findall("[a-z]+", question.text))
  tools = named & set(TOOLS)
  assert tools <= {*parsed["tools"], *parsed["holding"]}, where
  if kind in PLACED:
    assert all(parsed["tools"][tool]["offset"] for tool in tools), where
  elif kind == "way_bar" and question.answer != "nothing":
    (thing,) = named & {*parsed["tools"], "goal"}
    about = parsed["goal"] if thing == "goal" else parsed["tools"][thing]
    assert about["past"] == question.answer, where
  elif kind in ("adjacent", "takes", "pushes"):
    step = words.DELTAS[question.args[0]]
    things = parsed["tools"] | parsed["elements"] | {"goal": parsed["goal"]}
    here = [
      word
      for word, thing in things.items()
      if thing and thing["offset"] == step
    ]
    here += ["package"] * (step in parsed["boxes"])
    if kind == "adjacent":
      plain = question.answer in ("wall", "nothing", "danger")
      assert plain != (question.answer in here), where
    elif question.answer == "yes":
      kinds = {"package"} if kind == "pushes" else {*parsed["tools"]}
      assert kinds & set(here), where
  elif kind in ("stopped", "why_barred", "first_tool"):
    known = {*parsed["tools"], *parsed["elements"], "wall", "nothing"}
    known |= {"package"} if parsed["boxes"] else set()
    assert question.answer in known, where
  else:
    return bool(tools)
  return True


@pytest.mark.parametrize("rendering", ["map", "plain", "compact"])
def test_all_valid_questions_are_asked_of_texts_that_omit_nothing(rendering):
  _, states, asked = _moments("real", WIDE)
  config = dataclasses.replace(WIDE.config, rendering=rendering)
  rows = sampling.ask(asked, states.obs, 1, config)
  np.testing.assert_array_equal([len(row) for row in rows], asked.valid.sum(1))


def test_phrasing_does_not_depend_on_the_batch_position():
  _, states, asked = _moments("real")
  order = np.arange(STATES)[::-1]
  forward = WORLD.ask(asked, states.obs, seed=5)
  backward = WORLD.ask(_row(asked, order), _row(states.obs, order), seed=5)
  assert forward == backward[::-1]
  other = WORLD.ask(asked, states.obs, seed=6)
  assert forward != other


def test_answers_are_distinct_words_of_one_token(smollm2):
  _, _, tokenizer = smollm2
  assert len(set(ANSWERS)) == len(ANSWERS)
  for word in ANSWERS:
    assert len(tokenizer.encode(" " + word)) == 1, word
