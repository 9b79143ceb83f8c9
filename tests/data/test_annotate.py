"""Rows are verified, all are counted, and one journal gives the same rows."""

import dataclasses
import json
import math
import zlib
from collections import Counter

import numpy as np
import pytest
import thread_shares

import simulators
from glimo_jax.agent import costs, prompts
from glimo_jax.agent.llm import Completion, ScriptedLM, TeacherError
from glimo_jax.agent.memory import Memory
from glimo_jax.agent.skills import SKILLS, NextActionSkill, PlanSkill, Task
from glimo_jax.agent.tools import Tools
from glimo_jax.data import annotate as annotate_lib
from glimo_jax.data import collect, counts, dataset, shared_journal, trial
from glimo_jax.data.annotate import AnnotateConfig, annotate
from glimo_jax.data.journal import Journal, JournaledLM
from glimo_jax.types import VERDICTS

COLLECT = collect.CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/swapped(1)"),
  levels=6,
  depths=(0,),
  episodes=2,
  steps=12,
  actors={"mixed": 1.0},
  moments=60,
)


def skills_of(**numbers):
  """Skill settings from name=(rows, drafted)."""
  return {name: SKILLS[name](*pair) for name, pair in numbers.items()}


CONFIG = AnnotateConfig(
  skills=skills_of(question=(40, 20), next_action=(30, 10), plan=(4, 2)),
  val_share=0.2,
)
ALONE = skills_of(question=(40, 0), next_action=(30, 0), plan=(4, 0))


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def experiences(world):
  return collect.collect(world, COLLECT)


@pytest.fixture(scope="module")
def pool(world):
  return collect.pool_of(world, COLLECT)


def embed(texts):
  rows = [np.random.default_rng(len(t)).normal(size=8) for t in texts]
  x = np.array(rows, np.float32)
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def draw(request):
  """Pseudo-random but deterministic; unreadable or failing on some prompts."""
  prompt = request.messages[-1]["content"].encode()
  chance = np.random.default_rng(zlib.crc32(prompt)).random()
  rng = np.random.default_rng(request.seed)
  if chance < 0.1:
    return Completion("", "error", 0, 0, "m", error="x", error_class="reject")
  if chance < 0.3:
    return "no idea"
  return str(rng.choice(request.choices)) if request.choices else "up left"


@pytest.fixture(scope="module")
def made(world, pool, experiences):
  lm = ScriptedLM(draw, name="scripted")
  data = annotate(experiences, world, pool, CONFIG, lm, Memory(embed))
  return data, lm


def rows_of(data):
  return [*data.train, *data.val]


def test_nothing_is_lost(made):
  data, lm = made
  for part in (data.counts, *data.counts["by_source"].values()):
    assert part["planned"] == sum(part[v] for v in VERDICTS)
  llm, tool = (data.counts["by_source"][s] for s in ("llm", "tool"))
  assert llm["planned"] == 32
  assert min(llm[v] for v in ("verified", "refuted", "invalid", "failed")) > 0
  assert (tool["refuted"], tool["invalid"], tool["failed"]) == (0, 0, 0)
  sources = [row.source for row in rows_of(data)]
  assert sources.count("llm") == llm["verified"]
  assert sources.count("tool") == tool["verified"]
  assert data.counts["requests"] == len(lm.requests)
  first = sum(r.source == "llm" and r.attempts == 1 for r in rows_of(data))
  assert data.counts["llm_first_drafts"] == first
  assert 0 < first < llm["verified"]
  # The tools also wrote the rows that the model got wrong.
  wrong = llm["planned"] - llm["verified"] - llm["unverifiable"]
  assert data.counts["planned"] == 74 + wrong


class Served(ScriptedLM):
  """Answers as a server does: in any order, to the process that asks."""

  def stream(self, requests):
    taken = [*enumerate(requests)]
    requests.clear()
    for number, request in reversed(taken):
      yield [(number, self._answer(request))]


@pytest.mark.parametrize("processes", [2, 5])
def test_several_processes_make_the_dataset_and_the_counts_of_one(
  made, world, pool, experiences, tmp_path, processes
):
  expected, alone = made

  def work(shares):
    lm = Served(draw, name="scripted")
    with shared_journal.kept(lm, "1", tmp_path, shares) as kept:
      data = annotate(
        experiences,
        world,
        pool,
        CONFIG,
        kept,
        Memory(embed, in_shares=shares),
        in_shares=shares,
      )
    return data, len(lm.requests), shares.pieces

  shared = thread_shares.run(processes, work)
  for data, *_ in shared:
    assert rows_of(data) == rows_of(expected)
    assert data.counts == expected.counts
  requests = [number for _, number, _ in shared]
  assert sum(requests) == len(alone.requests)
  assert min(requests) > 0


def test_lost_row_is_an_error(made):
  tally = counts.Tally({"llm": 2})
  tally.add("llm", "where", "verified")
  with pytest.raises(RuntimeError, match="2 planned is not"):
    counts.check(tally.counts(), ["a"])
  tally.add("llm", "where", "verified")
  counts.check(tally.counts(), ["a", "b"])
  with pytest.raises(RuntimeError, match="with 1 names"):
    counts.check(tally.counts(), ["a", "a"])


def test_every_row_passes_a_fresh_replay(world, pool, made):
  """Uses the oracle of a new Tools and the row's provenance alone."""
  data, _ = made
  tools = Tools(world, pool)
  acting = [row for row in rows_of(data) if row.kind == "next_action"]
  assert len(acting) >= 30
  for row, cost in zip(acting, tools.measure(acting), strict=True):
    best = {world.actions[a] for a in costs.best_actions(cost)}
    if row.source == "tool":
      assert set(row.answers) == best
    else:
      assert set(row.answers) <= best
    assert math.isclose(sum(row.weights), 1.0)
  texts = tools.simulate(acting).description
  assert [row.messages[-1]["content"] for row in acting] == texts


def test_question_rows_hold_the_simulators_truth(world, pool, made):
  data, _ = made
  tools = Tools(world, pool)
  rows = [row for row in rows_of(data) if row.stage == 1]
  games = tools.games(rows)
  from simulators.agentworld.vocabulary import ANSWERS

  for row, game in zip(rows, games, strict=True):
    code = world.reference.answer(game, row.kind, row.args)
    assert row.answers == (ANSWERS[code],)
    assert row.answers[0] in row.choices
    assert row.messages[-1]["content"].endswith(row.question)


def test_prompts_equal_those_of_the_evaluation(world, made):
  data, _ = made
  for row in rows_of(data):
    rules = world.rules(world.params(row.variant))
    user = row.messages[-1]["content"]
    if row.stage == 1:
      description = user.removesuffix(f" {row.question}")
      assert row.messages == prompts.question(rules, description, row.question)
    elif row.kind == "next_action":
      assert row.messages == prompts.acting(rules, user)
    else:
      assert user.endswith(prompts.PLAN)


def test_kinds_are_balanced_and_rows_unique(made):
  data, _ = made
  rows = rows_of(data)
  asked = [row.kind for row in rows if row.stage == 1]
  tally = [asked.count(kind) for kind in sorted(set(asked))]
  assert len(tally) >= 8
  assert max(tally) - min(tally) <= 2
  names = {(str(row.messages), row.answers) for row in rows}
  assert len(names) == len(rows) == len({row.row_id for row in rows})


@pytest.mark.parametrize("per_moment", [1, 4])
def test_questions_per_moment_follow_the_settings(
  world, pool, experiences, per_moment
):
  skills = skills_of(question=(40, 0), next_action=(20, 0))
  skills["question"] = dataclasses.replace(
    skills["question"], per_moment=per_moment
  )
  config = AnnotateConfig(skills=skills)
  data = annotate(experiences, world, pool, config)
  moments: dict[tuple, Counter] = {}
  for row in rows_of(data):
    here = moments.setdefault((row.episode, row.actions), Counter())
    here[row.kind == "next_action"] += 1
  asked = [here[False] for here in moments.values() if here[False]]
  assert sum(asked) == 40
  assert len(asked) == 40 // per_moment
  # The tasks share moments, except where nothing is left to do.
  met = sum(here[True] and here[False] > 0 for here in moments.values())
  assert met >= 0.8 * min(len(asked), 20)


def test_only_named_kinds_are_asked(world, pool, experiences):
  skill = SKILLS["question"](rows=20, kinds=("steps", "where"), per_moment=2)
  config = AnnotateConfig(skills={"question": skill})
  asked = Counter(
    row.kind for row in rows_of(annotate(experiences, world, pool, config))
  )
  assert set(asked) == {"steps", "where"}
  assert asked.total() == 20
  assert max(asked.values()) - min(asked.values()) <= 2


class FirstChoice(ScriptedLM):
  """Answers with the first choice."""

  def loglik(self, prompts, continuations):
    self.requests += prompts
    return [-np.arange(len(choices), dtype=float) for choices in continuations]


def test_examined_model_is_asked_what_it_answers_wrongly(
  world, pool, experiences
):
  config = AnnotateConfig(
    skills=skills_of(question=(30, 0), next_action=(5, 0))
  )
  whole = annotate(experiences, world, pool, config)
  some = annotate(experiences, world, pool, config, student=FirstChoice({}))

  def missed(made):
    rows = [row for row in (*made.train, *made.val) if row.stage == 1]
    return [row.choices[0] != row.answers[0] for row in rows]

  assert len(missed(some)) == 30
  assert all(missed(some))
  assert not all(missed(whole))


def test_splits_keep_episodes_whole(made):
  data, _ = made
  train, val = ({r.episode for r in s} for s in (data.train, data.val))
  assert train
  assert val
  assert not train & val
  assert {row.split for row in rows_of(data)} == {"train"}


def test_provenance_distinguishes_teacher_and_tool(made):
  data, _ = made
  for row in rows_of(data):
    if row.source == "llm":
      assert row.teacher == "scripted"
      assert row.attempts >= 1
      assert row.checked_by == "replay"
      assert len(row.prompt_hash) == 16
    else:
      assert row.teacher in ("simulator", "oracle")
      assert (row.attempts, row.prompt_hash, row.memories) == (0, "", ())
      assert row.checked_by == "replay+reference"


def test_second_path_checks_the_requested_number_of_rows(
  world, pool, experiences
):
  config = dataclasses.replace(CONFIG, skills=ALONE, rechecked=3)
  rows = rows_of(annotate(experiences, world, pool, config))
  again = [row.kind for row in rows if row.checked_by == "replay+reference"]
  assert {row.checked_by for row in rows} == {"replay", "replay+reference"}
  assert again.count("next_action") == again.count("full_plan") == 3
  assert len(again) == 9


def test_plan_rows_reach_the_goal_in_the_fewest_steps(world, pool, made):
  data, _ = made
  tools = Tools(world, pool)
  plans = [row for row in rows_of(data) if row.kind == "full_plan"]
  assert plans
  for row, cost in zip(plans, tools.measure(plans), strict=True):
    assert len(row.answers[0].split()) >= cost.min()
    if row.source == "tool":
      assert len(row.answers[0].split()) == cost.min()
  skill = PlanSkill()
  tasks = [Task(skill, row.kind, row, row.messages, ()) for row in plans]
  checks = skill.verify(tools, tasks, [r.answers[0] for r in plans])
  assert {c.verdict for c in checks} == {"verified"}


def test_journal_alone_gives_the_same_bytes(tmp_path, world, pool, experiences):
  """Only what was refused, and so never answered, is asked again."""

  def refuse(request):
    answer = draw(request)
    assert isinstance(answer, Completion), "an answer is asked for again"
    return answer

  folders = [tmp_path / "first", tmp_path / "again"]
  for folder, lm in zip(
    folders, (ScriptedLM(draw), ScriptedLM(refuse)), strict=True
  ):
    with Journal(tmp_path / "journal.jsonl") as journal:
      teacher = JournaledLM(lm, journal, prompts.PROMPT_VERSION)
      data = annotate(experiences, world, pool, CONFIG, teacher, Memory(embed))
    dataset.save(data, folder)
  for path in folders[0].iterdir():
    assert path.read_bytes() == (folders[1] / path.name).read_bytes()


def test_rows_that_a_restart_could_still_ask_end_no_stage(
  tmp_path, world, pool, experiences
):
  """One request in five finds no server; the restart asks only those."""

  def flaky(request):
    prompt = request.messages[-1]["content"].encode()
    if zlib.crc32(prompt) % 5 == 0:
      return Completion(
        "", "error", 0, 0, "m", error="gone", error_class="retry"
      )
    return draw(request)

  asked = []
  with Journal(tmp_path / "journal.jsonl") as journal:
    for answer in (flaky, draw):
      lm = ScriptedLM(answer)
      teacher = JournaledLM(lm, journal, prompts.PROMPT_VERSION)
      arguments = (experiences, world, pool, CONFIG, teacher)
      if answer is flaky:
        with pytest.raises(
          TeacherError, match=r"ended without an answer, .*gone"
        ):
          annotate(*arguments)
      else:
        data = annotate(*arguments)
      asked.append(len(lm.requests))
  whole = annotate(experiences, world, pool, CONFIG, ScriptedLM(draw))
  assert asked[1] < asked[0]
  assert data.counts["failed"] == whole.counts["failed"]
  assert data.counts["requests"] == whole.counts["requests"]


def test_estimate_bounds_what_an_annotation_asks(world, pool, experiences):
  config = dataclasses.replace(CONFIG, refinements=1)
  tools = annotate_lib.tools_of(world, pool, config)
  estimate = trial.estimate(tools, experiences, config)
  counted = annotate(experiences, world, pool, config, ScriptedLM(draw)).counts
  assert estimate.drafted == counted["by_source"]["llm"]["planned"] == 32
  assert estimate.planned == 74
  assert estimate.requests[0] <= counted["requests"] <= estimate.requests[1]
  assert estimate.requests == (32, 4 * 32)
  shown = estimate.table(lambda prompt, completion: prompt + completion)
  assert "32 of 74 planned rows" in shown
  least = estimate.prompt_tokens[0] + estimate.completion_tokens[0]
  assert f"{least:,}.00 to" in shown
  assert "cost" not in estimate.table()


def test_preview_drafts_few_rows_of_all_skills(world, pool, experiences):
  tools = annotate_lib.tools_of(world, pool, CONFIG)
  lm = ScriptedLM(draw)
  outcomes = trial.preview(tools, experiences, CONFIG, lm, Memory(embed), 8)
  assert len(outcomes) == 8
  assert {o.task.skill.name for o in outcomes} == {"question", "next_action"}
  for outcome in outcomes:
    shown = trial.shown(outcome)
    assert outcome.task.prompt[-1]["content"] in shown
    assert outcome.verdict in shown


def test_model_is_needed_only_for_drafts(world, pool, experiences):
  alone = AnnotateConfig(
    skills=skills_of(question=(10, 0), next_action=(10, 0))
  )
  data = annotate(experiences, world, pool, alone)
  assert data.counts["by_source"]["llm"]["planned"] == 0
  assert data.counts["verified"] == 20
  with pytest.raises(ValueError, match="there is no language model"):
    annotate(experiences, world, pool, CONFIG)


def test_agent_labels_add_no_tool_rows_for_actions(world, pool, experiences):
  config = AnnotateConfig(
    label_source="agent",
    skills=skills_of(question=(8, 4), next_action=(12, 12)),
    search_width=16,
    search_depth=16,
  )
  lm = ScriptedLM(draw)
  data = annotate(experiences, world, pool, config, lm)
  acting = [row for row in rows_of(data) if row.stage == 2]
  assert acting
  assert {row.source for row in acting} == {"llm"}
  assert {row.label_source for row in rows_of(data)} == {"agent"}


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"label_source": "guess"}, "'guess' is unknown"),
    ({"label_source": "self"}, "no tool writes acting rows"),
    ({"skills": {"questoin": PlanSkill()}}, "did you mean 'question'"),
    ({"skills": {"question": PlanSkill()}}, "give QuestionSkill"),
    ({"val_share": 1.0}, "val_share"),
    (
      {
        "label_source": "search",
        "skills": {"next_action": NextActionSkill(rationale=True)},
      },
      "a rationale comes from the oracle",
    ),
    ({"search_width": 0}, "must be at least 1"),
    ({"temperature": math.inf}, "finite"),
  ],
)
def test_bad_settings_are_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    AnnotateConfig(**fields)


@pytest.mark.parametrize(
  ("skill", "fields", "message"),
  [
    ("question", {"rows": 2, "drafted": 3}, "at most rows 2"),
    ("question", {"per_moment": 0}, "per_moment 0 must be at least 1"),
    ("next_action", {"regret_scale": math.nan}, "finite"),
    ("plan", {"rows": -1}, "at least 0"),
  ],
)
def test_bad_settings_of_a_skill_are_refused(skill, fields, message):
  with pytest.raises(ValueError, match=message):
    SKILLS[skill](**fields)


def test_evaluation_splits_are_refused(world, pool, experiences):
  stray = dataclasses.replace(experiences[0], split="test")
  with pytest.raises(ValueError, match="only `train`"):
    annotate([stray], world, pool, CONFIG, ScriptedLM({}))


def test_experience_of_another_world_is_refused(world, pool, experiences):
  strange = [dataclasses.replace(e, description="fog") for e in experiences]
  half = [*experiences[::2], *strange[1::2]]
  data = annotate(half, world, pool, CONFIG, ScriptedLM(draw))
  assert data.counts["unverifiable"] > 0
  with pytest.raises(ValueError, match=r"0 of 60 .* collect stage again"):
    annotate(strange, world, pool, CONFIG, ScriptedLM({}))


def test_counts_are_json(made):
  data, _ = made
  assert json.loads(json.dumps(data.counts)) == data.counts
