"""The sums of docs/scale.md: closed forms, and the page's own table."""

import dataclasses
import json
import pathlib

import pytest

from benchmarks.checks import scale

ROOT = pathlib.Path(__file__).parents[1]


def test_one_row_costs_what_its_parts_cost():
  """By hand: two devices of 100 FLOP/s at half speed, a model of one weight."""
  inputs = scale.Inputs(
    cores=4, devices=2, peak_flops=100, mfu=0.5, params=1, rows_per_moment=2,
    collect_core_s=8, annotate_core_s=3, requests=2, client_core_s=0.5,
    prompt_tokens=10, answer_tokens=5, prompt_tokens_per_s=100,
    answer_tokens_per_s=10, row_tokens=10, replay_share=1, row_bytes=7,
    journal_bytes=3, journal_memory=2, row_memory=5,
  )  # fmt: skip
  found = scale.cost(inputs, 1, 1)
  assert found.collect == 1  # half a moment of 8 core seconds, on 4 cores
  assert found.annotate == 1  # 3 for the row and 1 for its requests
  assert found.teacher == pytest.approx(2 * (0.1 + 0.5))
  assert found.train == 1  # 10 tokens x (4 + 6) FLOPs, at 100 a second
  assert (found.disk, found.memory) == (13, 9)
  assert found.total == pytest.approx(1 + 1.2 + 1)


def test_hosts_share_the_time_and_not_the_bytes():
  inputs = scale.Inputs()
  one, many = (scale.cost(inputs, 1e6, hosts) for hosts in (1, 8))
  for stage in ("collect", "annotate", "teacher", "train", "total"):
    assert getattr(many, stage) == pytest.approx(getattr(one, stage) / 8)
  assert (many.disk, many.memory) == (one.disk, one.memory)


def test_page_shows_the_table_of_the_inputs():
  page = (ROOT / "docs/scale.md").read_text()
  assert scale.table(scale.Inputs()) in page
  for field in dataclasses.fields(scale.Inputs):
    assert f"`{field.name}`" in page


def test_measured_inputs_are_those_of_the_report():
  values = json.loads(
    (ROOT / "docs/results/quickstart_detour2/report.json").read_text()
  )
  inputs, moments = scale.Inputs(), values["config"]["collect"]["moments"]
  wall, counts = values["wall_s"], values["dataset"]
  planned = counts["planned"]
  drafted = counts["by_source"]["llm"]["planned"]
  for stated, found in (
    (inputs.collect_core_s, 2 * wall["collect"] / moments),
    (inputs.annotate_core_s, 2 * wall["annotate"] / planned),
    (inputs.rows_per_moment, planned / moments),
    (inputs.requests, counts["requests"] / drafted),
  ):
    assert stated == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize(
  ("seconds", "words"),
  [(30, "30 s"), (600, "10 min"), (7_200, "2 h"), (10 * 86_400, "10 days")],
)
def test_times_are_in_the_largest_unit_that_fits(seconds, words):
  assert scale.duration(seconds) == words


@pytest.mark.parametrize(
  "word", ["cores=0", "mfu=nan", "requests=-1", "mfu=inf", "mfu=x", "x=1"]
)
def test_an_input_that_cannot_be_is_refused(word, monkeypatch, capsys):
  monkeypatch.setattr("sys.argv", ["scale", "--set", word])
  with pytest.raises(SystemExit, match="2"):
    scale.main()
  assert f"--set {word}" in capsys.readouterr().err


def test_zero_is_an_input_where_nothing_is_divided_by_it(monkeypatch, capsys):
  monkeypatch.setattr("sys.argv", ["scale", "--set", "replay_share=0"])
  scale.main()
  assert "replay_share = 0\n" in capsys.readouterr().out
