"""Fragments: they round-trip, and arms are compared by level."""

import dataclasses

import numpy as np
import pytest

from glimo_jax.evaluate import answering, language, stats
from glimo_jax.evaluate import episodes as episodes_lib
from glimo_jax.evaluate.report import failures, fragments, merging, report
from glimo_jax.evaluate.report.fragments import Fragment
from glimo_jax.evaluate.retention import chats
from glimo_jax.evaluate.suite import Result
from glimo_jax.play.loop import Episode

NAME, N = "agentworld/val", 60


def episodes(won):
  return [
    Episode(
      index=i,
      depth=i % 2,
      success=bool(w),
      steps=3,
      optimal_steps=2,
      texts=("goal up.", "here."),
      actions=("up",),
      ended="success" if w else "truncated",
      measures={"collision": float(not w), "progress": 0.125 * (i % 9)},
    )
    for i, w in enumerate(won)
  ]


def answers(right):
  return [
    answering.Answer("bump", i // 2, "yes" if r else "no", "yes", 2)
    for i, r in enumerate(right)
  ]


def talk(kl, collapsed=0):
  """Ten chats, of which some have collapsed, and four instructions."""
  tokens = np.arange(10.0) + 15
  return chats.ChatScore(
    kl * tokens, tokens, np.full(10, 3 * kl),
    (np.arange(10) < collapsed).astype(float), np.array([1.0, 0.0, 0.0, 1.0]),
  )  # fmt: skip


def fragment(arm, seed, rate, others=False, worse=1.0):
  rng = np.random.default_rng([seed, len(arm)])
  acted = {"tuned": episodes(rng.random(N) < rate)}
  answered = {"tuned": answers(rng.random(N) < rate)}
  base = language.Score(np.full(64, 300.0), np.full(64, 400.0), 9000)
  scores = {"tuned": dataclasses.replace(base, nats=base.nats * worse)}
  talks = {"tuned": talk(worse - 1, collapsed=seed)}
  if others:
    acted |= {
      "base": episodes(rng.random(N) < 0.3),
      "random": episodes(rng.random(N) < 0.1),
      "oracle": episodes(np.ones(N)),
    }
    answered["base"] = answers(rng.random(N) < 0.4)
    scores["base"] = base
    talks["base"] = talk(0.0)
  results = {NAME: Result(acted, answered, {"acting": "plain"}, {})}
  lost = [{"arm": "tuned", **f} for f in failures.worth_looking_at(results)]
  return Fragment(
    arm,
    seed,
    results,
    {"prose": scores},
    {"planned": 3, "verified": 3},
    {
      "commit": f"c{seed}",
      "commits": {"collect": "older", "train": f"c{seed}"},
      "wall_s": {"train": 1.0},
      "seeds": {"collect": seed % 2, "annotate": seed % 2, "train": seed},
    },
    failures=lost,
    talk=talks,
  )


@pytest.fixture(scope="module")
def several():
  return [
    fragment("tuned", 0, 0.9, others=True, worse=1.002),
    fragment("tuned", 1, 0.9, worse=1.004),
    fragment("tuned", 2, 0.9, worse=1.003),
    fragment("no-kl", 0, 0.9, worse=1.1),
    *(fragment("low-lr", seed, 0.2) for seed in range(4)),
  ]


def test_fragment_read_back_measures_the_same(several, tmp_path):
  for one in several:
    fragments.write(tmp_path / "f.json", one)
    again = fragments.read(tmp_path / "f.json")
    assert (again.arm, again.seed, again.run) == (one.arm, one.seed, one.run)
    before, after = one.results[NAME], again.results[NAME]
    assert after.answered == before.answered
    for name, score in one.talk.items():
      for field, column in dataclasses.asdict(score).items():
        read = getattr(again.talk[name], field)
        np.testing.assert_allclose(read, column, atol=1e-4)
    for arm, run in before.acted.items():
      assert episodes_lib.summary([after.acted[arm]]) == episodes_lib.summary(
        [run]
      )
    assert again.failures[0]["texts"] == ["goal up.", "here."]
    fragments.write(tmp_path / "g.json", again)
    assert (tmp_path / "f.json").read_bytes() == (
      tmp_path / "g.json"
    ).read_bytes()


def test_seeds_are_pooled_and_arms_paired_with_the_recipe(several):
  merged = merging.merge(several)
  named = [failure["arm"] for failure in merged.run["failures"]]
  assert named == ["low-lr", "no-kl", "tuned"]  # one of each
  arms = merged.benchmarks[NAME]
  assert set(arms) == {"tuned", "base", "random", "oracle", "no-kl", "low-lr"}
  runs = {
    arm: [f.results[NAME].acted["tuned"] for f in several if f.arm == arm]
    for arm in ("tuned", "no-kl", "low-lr")
  }
  summary = episodes_lib.summary(runs["low-lr"])
  spl = {**summary["spl"], "seeds": 4}
  assert arms["low-lr"]["success"] == {**summary, "spl": spl, "seeds": 4}
  differences = merged.run["differences"][NAME]
  won = episodes_lib.successes([*runs["low-lr"][:3], *runs["tuned"]])
  figures = episodes_lib.successes([*runs["low-lr"], *runs["tuned"]]).mean(1)
  between = stats.spread([figures[:4], figures[4:]])
  expected = stats.paired(won[:3], won[3:], between=between).as_dict()
  assert differences["low-lr"]["success"] == {
    **expected, "seeds": 3, "says": "worse",
  }  # fmt: skip
  assert differences["no-kl"]["success"]["says"] == "cannot tell"
  assert merged.run["arms"]["low-lr"]["seeds"] == [0, 1, 2, 3]
  assert merged.run["arms"]["low-lr"]["datasets"] == 2
  assert merged.run["arms"]["tuned"]["commits"] == ["c0", "c1", "c2", "older"]


def test_language_is_a_ratio_to_the_base(several):
  merged = merging.merge(several)
  bits = merged.language["prose"]
  base = bits["base"]["bits_per_byte"]
  assert bits["tuned"]["bits_per_byte"] == pytest.approx(1.003 * base)
  ratios = merged.comparisons["language/prose"]
  assert ratios["bits_per_byte_ratio"]["mean"] == pytest.approx(1.003)
  assert ratios["bits_per_byte_ratio_no-kl"]["mean"] == pytest.approx(1.1)


def test_chats_are_pooled_over_the_seeds(several, tmp_path):
  merged = merging.merge(several)
  kl = merged.retention["chat_kl"]
  assert kl["tuned"]["mean"] == pytest.approx(0.003)
  assert kl["no-kl"]["mean"] == pytest.approx(0.1)
  assert kl["base"]["mean"] == 0
  collapsed = merged.retention["collapsed"]
  assert collapsed["tuned"]["mean"] == pytest.approx(0.1)  # 0, 1, 2 of ten
  assert collapsed["base"]["hi"] > 0.2
  paired = merged.comparisons["retention"]["instructions_difference"]
  assert paired["mean"] == 0
  report.write(merged, tmp_path)
  assert report.read(tmp_path) == merged
  older = [dataclasses.replace(f, talk={}) for f in several]
  assert merging.merge(older).retention == {}


def test_arms_are_compared_with_the_recipe_in_language_and_plans(several):
  planned = several[3]
  acted = planned.results[NAME].acted
  acted = acted | {"tuned_plan": episodes(np.ones(N))}
  result = dataclasses.replace(planned.results[NAME], acted=acted)
  several = [*several[:3], dataclasses.replace(planned, results={NAME: result})]
  differences = merging.merge(several).run["differences"]
  bits = differences["language/prose"]["no-kl"]["bits_per_byte"]
  assert bits["mean"] == pytest.approx(1.1 / 1.002 - 1)
  assert (bits["says"], bits["seeds"]) == ("worse", 1)
  recipe = episodes_lib.successes([several[0].results[NAME].acted["tuned"]])
  plans = differences[NAME]["no-kl"]["success_plan"]
  assert plans["mean"] == pytest.approx(1 - recipe.mean())
  assert plans["seeds"] == 1


def test_order_does_not_matter_and_a_report_is_written(several, tmp_path):
  merged = merging.merge(several)
  assert merging.merge(several[::-1]) == merged
  report.write(merged, tmp_path)
  page = (tmp_path / report.HTML).read_text()
  assert "low-lr: worse" in page
  assert ">Failures</h2>" in page
  assert "low-lr minus tuned" in report.table(merged)
  assert "low-lr: 4 trainings, 2 datasets" in report.table(merged)


@pytest.mark.parametrize(
  ("change", "match"),
  [
    (lambda f: f[3:], "no fragment of arm 'tuned'"),
    (lambda f: [*f, f[0]], "two fragments"),
    (lambda f: [f[0], dataclasses.replace(
      f[4], results={NAME: Result({"tuned": episodes(np.ones(3))}, {}, {}, {})}
    )], "not paired"),
    (lambda f: [
      dataclasses.replace(f[i], run=f[i].run | {
        "config": {"train": {"lr": 0.1 * i, "seed": i}, "world": {"name": "a"}}
      }) for i in (0, 1)
    ], "seeds 0 and 1 of arm 'tuned' differ in train.lr: keep"),
  ],
)  # fmt: skip
def test_fragments_that_cannot_be_compared_are_refused(several, change, match):
  with pytest.raises(ValueError, match=match):
    merging.merge(change(several))


def test_seeds_of_data_and_training_are_merged_and_older_ones_counted(several):
  """Older fragments have no seeds of the data: the config's were shared."""
  new, old = [], []
  for seed, one in enumerate(several[:3]):
    parts = ("collect", "annotate", "train")
    config = {name: {"seed": seed} for name in parts}
    new.append(dataclasses.replace(one, run=one.run | {
      "config": config, "seeds": dict.fromkeys(parts, seed),
    }))  # fmt: skip
    shared = {"collect": {"seed": 0}, "annotate": {"seed": 0}}
    old.append(dataclasses.replace(one, run=one.run | {
      "config": config | shared, "seeds": {"train": seed},
    }))  # fmt: skip
  assert merging.merge(new).run["arms"]["tuned"]["datasets"] == 3
  assert merging.merge(old).run["arms"]["tuned"]["datasets"] == 1


def test_file_that_is_not_a_fragment_is_named(tmp_path):
  (tmp_path / "x.json").write_text('{"arm": "a"}')
  with pytest.raises(ValueError, match=r"x\.json is no fragment"):
    fragments.read(tmp_path / "x.json")
