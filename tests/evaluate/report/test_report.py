"""The report: its form, its round trip, and a self-contained page."""

import base64
import dataclasses
import html.parser
import json
import math

import numpy as np
import pytest

from glimo_jax import provenance
from glimo_jax.evaluate import answering, language, stats
from glimo_jax.evaluate.report import failures, report, summaries, trainings
from glimo_jax.evaluate.report.page import charts
from glimo_jax.evaluate.report.page import paper as beside_paper
from glimo_jax.evaluate.retention import budgets, chats
from glimo_jax.evaluate.suite import Result
from glimo_jax.play.loop import Episode
from glimo_jax.types import EvalReport

KNOWN = trainings.KnownSpread(0.045, 0.032)
COUNTS = {
  "planned": 100, "verified": 80, "refuted": 9, "unverifiable": 5,
  "invalid": 4, "failed": 2,
  "by_source": {
    "llm": {"planned": 36, "verified": 20, "refuted": 9},
    "tool": {"planned": 64, "verified": 60},
  },
}  # fmt: skip
METRICS = [
  {"phase": "understanding" if s <= 20 else "acting", "step": s,
   "loss": 3 / s, "ce": 2 / s, "kl": s / 1000, "accuracy": 0.5}
  for s in range(1, 41)
]  # fmt: skip


def run(won):
  """Episodes; those in `won` succeed. The depth alternates."""
  return [
    Episode(
      index=i,
      depth=i % 2,
      success=bool(w),
      steps=3,
      optimal_steps=2,
      texts=(f"goal <{i}> up.", "tree up.", "tree up.", "done."),
      actions=("up", "left", "up"),
      ended="success" if w else "truncated",
      measures={"collision": float(not w and i % 2), "progress": 0.01 * i},
    )
    for i, w in enumerate(won)
  ]


def paper(right):
  return [
    answering.Answer("bump", i, "yes" if r else "no", "yes", 2)
    for i, r in enumerate(right)
  ]


@pytest.fixture
def acted():
  rng = np.random.default_rng(0)
  luck = rng.random(40)
  return {
    "base": [run(luck < 0.4)],
    "tuned": [run(luck < 0.8)],
    "random": [run(luck < 0.1)],
    "oracle": [run(luck < 2)],
    "tuned_greedy": [run(luck < 0.6)],
  }


@pytest.fixture
def answered():
  luck = np.random.default_rng(1).random(40)
  return {"base": [paper(luck < 0.5)], "tuned": [paper(luck < 0.7)]}


@pytest.fixture
def whole(acted, answered):
  score = language.Score(np.full(64, 300.0), np.full(64, 400.0), 9000)
  worse = dataclasses.replace(score, nats=score.nats * 1.005)
  ratios, compared = summaries.compare_language(
    {"prose": {"base": score, "tuned": worse}}
  )
  name = "agentworld/test"
  return EvalReport(
    benchmarks={name: summaries.benchmark(acted, answered, KNOWN)},
    language=ratios,
    comparisons={name: summaries.compare(acted, answered, KNOWN), **compared},
    dataset=COUNTS,
    run={
      "wall_s": {"train": 300.0},
      **provenance.environment(),
      "commit": "c0",
      "seeds": [0],
    },
  )


def test_json_has_the_documented_form(whole, tmp_path):
  report.write(whole, tmp_path)
  values = json.loads((tmp_path / "report.json").read_text())
  arms = values["benchmarks"]["agentworld/test"]
  for arm in ("base", "tuned", "random", "oracle"):
    assert {"mean", "lo", "hi", "n"} <= arms[arm]["success"].keys()
    # Three steps where two would do.
    assert arms[arm]["success"]["spl"]["mean"] == pytest.approx(
      arms[arm]["success"]["mean"] * 2 / 3
    )
  assert {"mean", "lo", "hi", "n"} <= arms["tuned"]["qa"].keys()
  assert values["language"]["prose"]["base"]["bits_per_byte"] > 0
  assert values["dataset"] == COUNTS
  assert {"wall_s", "peak_gib", "versions", "commit"} <= values.keys()
  assert values["peak_gib"] > 0
  assert values["versions"]["jax"]
  collision = arms["tuned"]["success"]["measures"]["collision"]
  assert {"mean", "lo", "hi", "n"} == collision.keys()


def test_report_round_trips(whole, tmp_path):
  report.write(whole, tmp_path)
  assert report.read(tmp_path) == whole
  (tmp_path / "report.json").write_text('{"benchmarks": {}}')
  with pytest.raises(ValueError, match="language"):
    report.read(tmp_path)


def test_values_that_json_cannot_hold_are_refused(whole, tmp_path):
  broken = dataclasses.replace(whole, run={"peak_gib": math.nan})
  with pytest.raises(ValueError, match="JSON"):
    report.write(broken, tmp_path)


def test_headline_is_normalised_between_chance_and_oracle(acted):
  rate = {a: np.mean([e.success for e in r[0]]) for a, r in acted.items()}
  comparison = summaries.compare(acted, {}, KNOWN)
  share = (rate["tuned"] - rate["random"]) / (1 - rate["random"])
  assert comparison["headline"]["mean"] == pytest.approx(share)
  gain = comparison["success_gain"]
  assert gain["mean"] == pytest.approx(rate["tuned"] - rate["base"])
  assert 0 < gain["lo"] < gain["mean"] < gain["hi"]
  ratio = rate["tuned"] / rate["base"]
  assert comparison["success_ratio"]["mean"] == pytest.approx(ratio)
  assert "qa_gain" not in comparison


def test_figures_of_one_training_say_so_and_hold_the_known_spread(
  whole, acted, answered, tmp_path
):
  """Closed form: the half-widths add in squares; base and random stay."""
  none = trainings.KnownSpread()
  arms = summaries.benchmark(acted, answered, KNOWN)
  levels = summaries.benchmark(acted, answered, none)
  for arm in ("base", "random", "oracle"):
    assert arms[arm] == levels[arm]
    assert "seeds" not in arms[arm]["success"]
  compared = summaries.compare(acted, answered, KNOWN)
  alone = summaries.compare(acted, answered, none)
  assert compared["headline_base"] == alone["headline_base"]
  scale = 1 - np.mean([e.success for e in acted["random"][0]])
  pairs = [
    (arms["tuned"]["success"], levels["tuned"]["success"], 0.045),
    (arms["tuned_greedy"]["success"], levels["tuned_greedy"]["success"], 0.045),
    (arms["tuned"]["success"]["spl"], levels["tuned"]["success"]["spl"], 0.045),
    (arms["tuned"]["qa"], levels["tuned"]["qa"], 0.032),
    (compared["success_gain"], alone["success_gain"], 0.045),
    (compared["qa_gain"], alone["qa_gain"], 0.032),
    (compared["headline"], alone["headline"], 0.045 / scale),
    (compared["collision_difference"], alone["collision_difference"], 0.0),
  ]
  for wide, narrow, sd in pairs:
    assert wide["seeds"] == narrow["seeds"] == 1
    assert wide["mean"] == narrow["mean"]
    for end in ("lo", "hi"):
      squares = (narrow[end] - narrow["mean"]) ** 2 + (1.959964 * sd) ** 2
      assert abs(wide[end] - wide["mean"]) == pytest.approx(squares**0.5)
  report.write(whole, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  mean = arms["tuned"]["success"]["mean"]
  for shown in (report.table(whole), page):
    row = shown.split("agentworld/test success")[1]
    after = row.split(f"{mean:.3f} [", 1)[1].split("]", 1)[1]
    assert after.startswith(" (one training)")


def test_interval_of_a_share_stays_between_none_and_all(acted):
  sure = {**acted, "tuned": [run(np.ones(40))], "base": [run(np.zeros(40))]}
  success = summaries.benchmark(sure, {}, KNOWN)["tuned"]["success"]
  assert (success["mean"], success["hi"]) == (1, 1)
  assert success["lo"] < 1 - 1.96 * 0.045
  assert summaries.compare(sure, {}, KNOWN)["success_gain"]["hi"] > 1


def test_several_trainings_measure_their_own_spread(acted):
  several = {**acted, "tuned": acted["tuned"] * 2 + acted["tuned_greedy"]}
  none = trainings.KnownSpread()
  arms = summaries.benchmark(several, {}, KNOWN)
  assert arms["tuned"] == summaries.benchmark(several, {}, none)["tuned"]
  assert arms["tuned"]["success"]["seeds"] == 3
  compared = summaries.compare(several, {}, KNOWN)
  assert compared == summaries.compare(several, {}, none)
  assert compared["success_gain"]["seeds"] == 3


def test_tuned_is_paired_with_every_rival_that_played(acted):
  luck = np.random.default_rng(0).random(40)
  rivals = {"explorer": [run(luck < 0.2)], "script": [run(luck < 0.9)]}
  comparison = summaries.compare(acted | rivals, {}, KNOWN)
  assert comparison["success_over_explorer"]["lo"] > 0
  script = comparison["success_over_script"]
  expect = np.mean(luck < 0.8) - np.mean(luck < 0.9)
  assert script["mean"] == pytest.approx(expect)
  assert script["lo"] < script["mean"] < 0
  assert "success_over_mlp" not in comparison


def test_benchmark_that_a_script_solves_is_called_too_easy(
  whole, acted, tmp_path
):
  name = "agentworld/test"
  for rate, easy in ((0.7, True), (0.5, False)):
    script = {"script": [run(np.arange(40) < 40 * rate)]}
    arms = summaries.benchmark(acted | script, {}, KNOWN)
    found = dataclasses.replace(whole, benchmarks={name: arms})
    report.write(found, tmp_path)
    for shown in (report.table(found), (tmp_path / report.HTML).read_text()):
      assert (f"{name} is too easy" in shown) == easy


def test_measures_of_the_world_are_paired_and_shown(whole, acted, tmp_path):
  rate = {
    arm: np.mean([e.measures["collision"] for e in runs[0]])
    for arm, runs in acted.items()
  }
  assert rate["base"] > rate["tuned"] > rate["oracle"] == 0
  difference = summaries.compare(acted, {}, KNOWN)["collision_difference"]
  assert difference["mean"] == pytest.approx(rate["tuned"] - rate["base"])
  assert difference["lo"] < difference["mean"] < difference["hi"]
  report.write(whole, tmp_path)
  page = "".join(_Page((tmp_path / "report.html").read_text()).text)
  for shown in (report.table(whole), page):
    assert "agentworld/test spl" in shown
    row = shown.split("agentworld/test collision")[1].split("\n")[0]
    for arm in ("base", "tuned", "random", "oracle"):
      assert f"{rate[arm]:.3f} [" in row


def test_ratio_is_omitted_if_the_base_rarely_succeeds(acted):
  hopeless = acted | {"base": [run(np.arange(40) < 1)]}
  assert "success_ratio" not in summaries.compare(hopeless, {}, KNOWN)
  assert "headline" in summaries.compare(hopeless, {}, KNOWN)


def test_llm_share_refers_to_verified_rows():
  assert report.llm_share(COUNTS) == 0.25
  assert report.llm_share({"verified": 0, "by_source": {}}) is None
  assert report.llm_share({"verified": 5, "by_source": {}}) == 0
  assert report.authorship({"verified": 0, "by_source": {}}) == ""
  sentence = report.authorship(COUNTS | {"llm_first_drafts": 8})
  assert sentence.endswith("25.0% by an LLM (10.0% at its first draft)")


def test_table_shows_before_after_and_counts(whole):
  text = report.table(whole)
  row = next(x for x in text.splitlines() if x.startswith("agentworld/test s"))
  success = whole.benchmarks["agentworld/test"]
  cells = [row.index(f"{success[a]['success']['mean']:.3f} [") for a in success
           if a in ("base", "tuned", "random", "oracle")]  # fmt: skip
  assert cells == sorted(cells)
  assert "planned 100, verified 80, refuted 9" in text
  assert "80 rows proved by replay, 25.0% by an LLM" in text
  assert "1.005 [1.005, 1.005]" in text
  assert all(len(line) < 160 for line in text.splitlines())


class _Page(html.parser.HTMLParser):
  """Collects tags, what they load, and whether they close."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.loads, self.open, self.text = [], [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
    if tag not in ("meta", "img"):
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.tags.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.text.append(data)


def test_page_is_self_contained_and_complete(whole, acted, tmp_path):
  episodes = {arm: runs[0] for arm, runs in acted.items()}
  drawn = dataclasses.replace(whole, run=whole.run | {"curves": METRICS})
  films = {"tuned: <solved>": b"GIF89a"}
  report.draw(drawn, tmp_path, episodes=episodes, films=films)
  text = (tmp_path / "report.html").read_text()
  page = _Page(text)
  assert page.open == []
  assert "script" not in page.tags
  links = [load for load in page.loads if load.startswith("#")]
  assert links
  assert all(f'id="{link[1:]}"' in text for link in links)
  picture = base64.b64encode(b"GIF89a").decode()
  others = [load for load in page.loads if load not in links]
  assert others == [f"data:image/gif;base64,{picture}"]
  assert "http" not in text
  shown = "".join(page.text)
  headline = whole.comparisons["agentworld/test"]["headline"]["mean"]
  assert f"{headline:.1%}" in shown
  assert "Learnt from 80 rows proved by replay, 25.0% by an LLM." in shown
  # Loss, cross-entropy and KL, each with its moving mean.
  assert page.tags.count("polyline") == 6
  assert "prefers-color-scheme: dark" in text
  for title in ("Success by depth", "Questions by kind", "Episodes", "Run"):
    assert title in shown
  assert "goal <" in shown  # escaped in HTML, shown as plain text


def test_shown_episodes_include_failures(whole, tmp_path):
  lost = run([1, 0, 0, 0])
  tuned = run([0, 1, 1, 0])
  report.write(whole, tmp_path, episodes={"base": lost, "tuned": tuned})
  page = (tmp_path / "report.html").read_text()
  for i in range(4):
    assert f"Level {i}," in page


def test_failures_that_rivals_solve_are_shown_with_the_scores(tmp_path):
  """The order, and the page's scores, with the tried action marked."""
  steps = ({"up": -0.25, "left": -1.5}, {"left": -0.75}, {"up": -2.0})
  lost = [dataclasses.replace(e, scores=steps) for e in run([0, 0, 0, 1, 0])]
  result = Result(
    {"base": run([0, 1, 0, 0, 0]), "script": run([0, 1, 1, 1, 0]),
     "tuned": lost}, {}, {}, {},
  )  # fmt: skip
  found = failures.worth_looking_at({"a/test": result})
  assert [row["level"] for row in found] == [1, 2, 0]
  assert [r["solved_by"] for r in found] == [["script", "base"], ["script"], []]
  composed = report.compose({"a/test": result}, {}, COUNTS, {"commit": "c0"})
  report.write(composed, tmp_path)
  assert report.read(tmp_path) == composed
  text = (tmp_path / report.HTML).read_text()
  page = "".join(_Page(text).text)
  assert "level 1, depth 1: truncated, shortest way 2; solved by script" in page
  assert '<span class="chosen">up -0.25</span><span>left -1.50</span>' in text
  assert '<span>up tried</span><span class="chosen">left -0.75</span>' in text


def test_gains_stand_beside_those_of_the_paper(whole, tmp_path):
  """The ratio of the means; none to a base that hardly ever succeeds."""
  report.write(whole, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert "2.04, 1.54, 1.82" in page
  arms = whole.benchmarks["agentworld/test"]
  for measure, title in (("success", "levels solved"), ("qa", "questions")):
    base, tuned = (arms[a][measure]["mean"] for a in ("base", "tuned"))
    row = page.split(f"agentworld/test, {title}")[1]
    assert row.startswith(f"{base:.3f}{tuned:.3f}{tuned / base:.2f}")
  rare = {"base": {"success": {"mean": 0.04}},
          "tuned": {"success": {"mean": 0.4}}}  # fmt: skip
  text = beside_paper.beside({"benchmarks": {"a": rare}, "comparisons": {}})
  assert '<td data-label="tuned / base">-</td>' in text


@pytest.mark.parametrize("share", [True, False])
def test_chart_places_points_and_intervals_in_proportion(share):
  unknown = {"mean": None, "lo": None, "hi": None, "n": 0}
  quarter = {"mean": 0.25, "lo": 0.0, "hi": 0.5, "n": 8}
  rows = [("a", quarter, "tuned"), ("none", unknown, "")]
  chart = charts.forest(rows, share=share)
  # On 0..1 as it is; else on -0.5..0.5.
  point, left, width = (25, 0, 50) if share else (75, 50, 50)
  assert f'class="dot" style="left:{point:.1f}%"' in chart
  assert f'style="left:{left:.1f}%;width:{width:.1f}%"' in chart
  assert "none" not in chart


def test_widest_interval_does_not_flatten_the_others():
  narrow = {"mean": 0.1, "lo": -0.2, "hi": 0.4, "n": 8}
  rows = [(str(i), narrow, "") for i in range(9)]
  far = {"mean": 9.0, "lo": 8.0, "hi": 10.0, "n": 8}
  chart = charts.forest([*rows, ("far", far, "")])
  assert "+0.48" in chart  # the end of the axis
  assert "[+8.000, +10.000]" in chart
  assert 'style="left:100.0%"' in chart


def test_small_report_without_curves_or_episodes_is_written(tmp_path):
  here = {**provenance.environment(), "commit": "c0"}
  before = {"commits": {"collect": "c0", "train": "older"}}
  small = EvalReport({}, {}, {}, {}, here | before)
  report.write(small, tmp_path)
  assert report.read(tmp_path) == small
  page = (tmp_path / "report.html").read_text()
  assert "Run" in page
  assert "commit of train" in page
  assert "commit of collect" not in page  # the same as the report's
  assert report.table(small).startswith(" ")


def test_run_of_the_tuned_model_alone_has_a_page(whole, acted, tmp_path):
  name = "agentworld/test"
  alone = {arm: runs for arm, runs in acted.items() if arm.startswith("tuned")}
  tuned_only = dataclasses.replace(
    whole,
    benchmarks={name: summaries.benchmark(alone, {}, KNOWN)},
    comparisons={name: summaries.compare(alone, {}, KNOWN)},
  )
  episodes = {arm: runs[0] for arm, runs in alone.items()}
  report.write(tuned_only, tmp_path, episodes=episodes)
  assert "Benchmarks" in (tmp_path / report.HTML).read_text()
  assert "tuned_greedy" in report.table(tuned_only)


def test_world_without_oracle_and_questions_has_a_report(acted, tmp_path):
  unmeasured = {
    arm: [
      [dataclasses.replace(e, optimal_steps=-1, measures={}) for e in run]
      for run in runs
    ]
    for arm, runs in acted.items()
    if arm != "oracle"
  }
  result = Result({a: r[0] for a, r in unmeasured.items()}, {}, {}, {})
  score = language.Score(np.full(64, 300.0), np.full(64, 400.0), 9000)
  composed = report.compose(
    {"lift/test": result}, {"prose": {"tuned": score}}, COUNTS,
    {"wall_s": {"train": 1.0}, "commit": "c0"},
  )  # fmt: skip
  arms = composed.benchmarks["lift/test"]
  assert "oracle" not in arms
  assert arms["tuned"]["success"]["steps_over_optimal"] is None
  compared = composed.comparisons["lift/test"]
  assert "headline" not in compared
  assert compared["success_gain"]["mean"] > 0
  report.write(composed, tmp_path, episodes=result.acted)
  assert report.read(tmp_path) == composed
  page = (tmp_path / report.HTML).read_text()
  assert "shortest way" not in page
  assert "lift/test" in report.table(composed)


def test_composed_report_states_how_the_models_were_asked(
  acted, answered, tmp_path
):
  rate = stats.wilson(5, 8).as_dict()
  one = Result(
    {arm: runs[0] for arm, runs in acted.items()},
    {arm: runs[0] for arm, runs in answered.items()},
    {
      "base": {"acting": "few_shot", "answering": "plain"},
      "tuned": {"acting": "options", "answering": "plain"},
    },
    {
      "base": {"acting": {"few_shot": rate}, "answering": {}},
      "tuned": {"acting": {}, "answering": {}},
    },
  )
  other = Result({"tuned": acted["tuned"][0]}, {}, {}, {})
  composed = report.compose(
    {"a/test": one, "a/ood-size": other}, {}, COUNTS, {"commit": "c0"}
  )
  # Without settings, the default spread is that of KNOWN.
  arms = summaries.benchmark(acted, answered, KNOWN)
  assert composed.benchmarks["a/test"] == arms
  compared = summaries.compare(acted, answered, KNOWN)
  assert composed.comparisons["a/test"] == compared
  assert composed.run["asked"] == one.asked
  assert "tuned, acting: asked in the way options" in report.table(composed)
  report.write(composed, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert "baseactingfew_shotfew_shot 0.625 [0.3" in page
  assert composed.run["commit"] == "c0"
  assert composed.dataset == COUNTS


def test_ability_to_chat_is_in_table_and_page(acted, answered, tmp_path):
  result = Result(
    {arm: runs[0] for arm, runs in acted.items()},
    {arm: runs[0] for arm, runs in answered.items()}, {}, {},
  )  # fmt: skip
  tokens, few = np.full(20, 10.0), np.zeros(20)
  base = chats.ChatScore(few, tokens, few, few, np.ones(4))
  tuned = chats.ChatScore(
    np.full(20, 2.5), tokens, np.full(20, 1.5), np.eye(20)[0], np.eye(4)[0]
  )
  composed = report.compose(
    {"a/test": result}, {}, COUNTS, {"commit": "c0"},
    {"base": base, "tuned": tuned},
  )  # fmt: skip
  assert composed.retention["chat_kl"]["tuned"]["mean"] == 0.25
  gain = composed.comparisons["retention"]["instructions_difference"]
  assert gain["mean"] == -0.75
  report.write(composed, tmp_path)
  assert report.read(tmp_path) == composed
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  for shown in (report.table(composed), page):
    assert "0.250 [0.250, 0.250]" in shown.split("KL to the base")[1][:200]
    assert "0.050 [" in shown.split("collapsed answers")[1][:200]
  assert all(len(x) < 160 for x in report.table(composed).splitlines())


@pytest.mark.parametrize(
  ("limits", "names"),
  [
    ({"max_chat_kl": 0.2}, ["chat KL 0.2500 is above train.max_chat_kl 0.2"]),
    ({"max_chat_kl": 0.3, "max_bits_increase": 0.01}, []),
    ({"max_bits_increase": 0.002},
     ["bits per byte of language/prose rise by 0.50%"]),
    ({}, []),
  ],
)  # fmt: skip
def test_report_over_budget_is_written_and_refused(
  acted, limits, names, tmp_path
):
  tokens, few = np.full(20, 10.0), np.zeros(20)
  tuned = chats.ChatScore(np.full(20, 2.5), tokens, few, few, np.ones(4))
  score = language.Score(np.full(64, 300.0), np.full(64, 400.0), 9000)
  worse = dataclasses.replace(score, nats=score.nats * 1.005)
  composed = report.compose(
    {"a/test": Result({a: r[0] for a, r in acted.items()}, {}, {}, {})},
    {"prose": {"base": score, "tuned": worse}}, COUNTS,
    {"commit": "c0", "config": {"train": limits}}, {"tuned": tuned},
  )  # fmt: skip
  report.write(composed, tmp_path)
  again = report.read(tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert ("OVER BUDGET" in report.table(again)) == bool(names)
  assert ("Over budget" in page) == bool(names)
  for line in names:
    assert line in page
    with pytest.raises(budgets.OverBudget, match=r"train\.max_.*are written"):
      report.check_budgets(again)
  if not names:
    report.check_budgets(again)


def test_variety_of_the_rows_is_on_the_page(whole, tmp_path):
  quality = {"rows": 80, "self_bleu": 0.25, "vendi": None, "unseen": 0.5}
  measured = dataclasses.replace(whole, run=whole.run | {"quality": quality})
  report.write(measured, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert "Variety of the rows" in page
  assert "self-BLEU)0.25" in page
  assert "Vendi" not in page  # it was not measured
  assert json.loads((tmp_path / report.JSON).read_text())["quality"] == quality


def test_coverage_is_on_the_page_with_the_measures_of_the_world(
  whole, tmp_path
):
  met = {"episodes": [2, 4], "moments": [9, 20], "texts": [7, 11]}
  measured = dataclasses.replace(whole, run=whole.run | {"coverage": met})
  report.write(measured, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert "Coverage of the collection" in page
  assert "different texts" in page
  assert "uses of rules" not in page  # the world does not tell them
  assert json.loads((tmp_path / report.JSON).read_text())["coverage"] == met
  report.write(whole, tmp_path)
  page = "".join(_Page((tmp_path / report.HTML).read_text()).text)
  assert "Coverage" not in page
