"""Experience is reproducible, keeps its history, and favours surprise."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
import thread_shares

import simulators
from glimo_jax.agent import prompts
from glimo_jax.agent.llm import ScriptedLM
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect
from glimo_jax.data.collect import CollectConfig

CONFIG = CollectConfig(
  variants=("imperfect/swapped(0)", "imperfect/swapped(1)"),
  levels=6,
  depths=(0,),
  episodes=2,
  steps=12,
  actors={"random": 0.5, "mixed": 0.5},
  moments=10_000,
  surprise_candidates=40,
)


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def everything(world):
  """All moments of all episodes, collected without a language model."""
  return collect.collect(world, CONFIG)


class Opinionated(ScriptedLM):
  """Gives `up` a far higher probability than other actions."""

  def loglik(self, prompts_, continuations):
    self.requests += prompts_
    return [
      np.log(np.array([0.7 if word == "up" else 0.1 for word in row]))
      for row in continuations
    ]


def test_same_seed_collects_the_same_and_another_seed_does_not(
  world, everything
):
  assert collect.collect(world, CONFIG) == everything
  other = dataclasses.replace(CONFIG, seed=1)
  assert collect.collect(world, other) != everything


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_collect_what_one_collects(world, processes):
  config = dataclasses.replace(CONFIG, chunk=4, moments=40)
  expected = collect.collect(world, config, Opinionated({}))

  def work(shares):
    found = collect.collect(world, config, Opinionated({}), in_shares=shares)
    return found, shares.pieces

  shared = thread_shares.run(processes, work)
  assert all(found == expected for found, _ in shared)
  assert all(pieces for _, pieces in shared)


def test_replay_reaches_every_moment_again(world, everything):
  tools = Tools(world, collect.pool_of(world, CONFIG))
  assert tools.known(everything).all()
  nexts = [
    dataclasses.replace(e, actions=(*e.actions, e.next_action))
    for e in everything
  ]
  described = tools.simulate(nexts).description
  assert described == [e.next_description for e in everything]


def test_moments_of_an_episode_form_one_history(everything):
  episodes = {}
  for e in everything:
    episodes.setdefault(e.episode, []).append(e)
  assert len(episodes) == 2 * 6 * 2
  for moments in episodes.values():
    assert [len(m.actions) for m in moments] == list(range(len(moments)))
    for a, b in itertools.pairwise(moments):
      assert b.actions == (*a.actions, a.next_action)
      assert b.description == a.next_description
      assert (a.actor, a.success) == (b.actor, b.success)
    ended = moments[-1]
    limit = int(re.findall(r"in (\d+) moves", ended.description)[0])
    cut_off = len(ended.actions) + 1 == min(CONFIG.steps, limit)
    assert ended.success or cut_off


def test_variants_share_levels_but_not_words(everything):
  by_variant = {
    v: {e.level_hash for e in everything if e.variant == v}
    for v in CONFIG.variants
  }
  first, second = by_variant.values()
  assert first == second
  assert {e.split for e in everything} == {"train"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_dealt_levels_are_split_equally_among_variants(world, count):
  variants = tuple(f"imperfect/swapped({k})" for k in range(count))
  dealt = dataclasses.replace(
    CONFIG,
    variants=variants,
    one_variant_per_level=True,
    levels=12,
    depths=(0, 1),
    steps=2,
  )
  moments = collect.collect(world, dealt)
  under = {(e.level, e.variant) for e in moments}
  assert {level for level, _ in under} == set(range(12))
  assert len(under) == 12
  assert len({e.episode for e in moments}) == 12 * dealt.episodes
  assert np.ptp(np.unique([v for _, v in under], return_counts=True)[1]) <= 1
  if count == 2:  # not by the index in the pool, which determines the depth
    assert len({(e.depth, e.variant) for e in moments}) == 4


def test_visits_count_equal_descriptions(everything):
  texts = [e.description for e in everything]
  assert all(e.visits == texts.count(e.description) for e in everything)
  assert max(e.visits for e in everything) > 1


def test_surprise_comes_from_the_model_and_determines_what_is_kept(
  world, everything
):
  lm = Opinionated({})
  kept_all = collect.collect(world, CONFIG, lm)
  assert len(lm.requests) == CONFIG.surprise_candidates
  rules = {v: world.rules(world.params(v)) for v in CONFIG.variants}
  possible = [prompts.acting(rules[e.variant], e.description) for e in kept_all]
  assert all(p in possible for p in lm.requests)
  low, high = -np.log(0.7), -np.log(0.1)
  mean = np.mean([e.surprise for e in kept_all])
  for e in kept_all:
    expected = low if e.next_action == world.actions.index("up") else high
    assert np.isclose(e.surprise, expected) or low < e.surprise < high
  few = dataclasses.replace(
    CONFIG, moments=30, surprise_candidates=len(everything)
  )
  kept = collect.collect(world, few, lm)
  assert len(kept) == 30
  assert np.mean([e.surprise for e in kept]) > mean
  assert np.mean([e.visits for e in kept]) < np.mean(
    [e.visits for e in everything]
  )


def test_parquet_round_trip(tmp_path, everything):
  collect.save(tmp_path / "experience.parquet", everything)
  assert collect.load(tmp_path / "experience.parquet") == everything
  with pytest.raises(FileNotFoundError, match=r"launch\.collect"):
    collect.load(tmp_path / "nothing.parquet")


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"variants": ("real",)}, "only evaluation plays"),
    ({"split": "test"}, "for evaluation"),
    ({"split": "ood-size"}, "for evaluation"),
    ({"actors": {"oracel": 1.0}}, "oracel"),
    ({"actors": {"oracle": 0.0}}, "not all 0"),
    ({"moments": 0}, "at least 1"),
  ],
)
def test_bad_settings_are_refused_at_the_start(fields, message):
  with pytest.raises(ValueError, match=message):
    CollectConfig(**fields)
  CollectConfig(variants=("real",), trained_on_real=True)
