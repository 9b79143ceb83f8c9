"""A stage starts once, finishes once and refuses other settings."""

import contextlib
import dataclasses
import os
import threading

import pytest

from glimo_jax import fields, workdir
from glimo_jax.agent.served import TeacherConfig
from glimo_jax.train import step


def _open(root, settings=None):
  return workdir.stage(root, "collect", settings or {"collect": {"seed": 0}})


def test_finished_stage_keeps_its_summary(tmp_path):
  with _open(tmp_path) as stage:
    assert not stage.finished
    stage.summary["rows"] = 3
  with _open(tmp_path) as stage:
    assert stage.finished
    assert stage.summary["rows"] == 3
  assert workdir.summary(tmp_path, "collect")["wall_s"] >= 0


def test_finished_stage_opens_in_a_read_only_folder(tmp_path):
  with _open(tmp_path) as stage:
    pass
  (stage.path / workdir.LOCK).unlink()
  with _open(tmp_path) as stage:
    assert stage.finished
  assert not (stage.path / workdir.LOCK).exists()


def test_seconds_sum_over_all_attempts(tmp_path):
  """Each counts up to its last file; later work is unknown."""
  for seconds in (100, 50):
    with contextlib.suppress(RuntimeError), _open(tmp_path) as stage:
      (stage.path / "journal.jsonl").write_text("paid for")
      began = (stage.path / workdir.LOCK).stat().st_mtime
      os.utime(stage.path / "journal.jsonl", (began, began + seconds))
      raise RuntimeError
  with _open(tmp_path):
    pass
  wall = workdir.summary(tmp_path, "collect")["wall_s"]
  assert wall == pytest.approx(150, abs=5)


def test_stage_that_failed_is_not_finished(tmp_path):
  with pytest.raises(RuntimeError), _open(tmp_path):
    raise RuntimeError
  with pytest.raises(FileNotFoundError, match=r"launch\.collect"):
    workdir.require(tmp_path, "collect")
  with _open(tmp_path) as stage:
    assert not stage.finished


def test_other_settings_are_an_error_that_shows_the_difference(tmp_path):
  with _open(tmp_path):
    pass
  other = {"collect": {"seed": 1}}
  with (
    pytest.raises(ValueError, match=r"--config\.collect\.seed: 0 there, 1 now"),
    _open(tmp_path, other),
  ):
    pass


def test_differences_name_each_leaf_of_both_sides():
  there, now = {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}
  assert fields.differences(there, now, "config") == [
    "config.a.c: 2 there, None now",
    "config.a.d: None there, 3 now",
  ]


def test_two_processes_do_not_work_on_one_stage(tmp_path):
  with _open(tmp_path), pytest.raises(ValueError, match="another process"):
    _open(tmp_path).__enter__()
  with _open(tmp_path) as stage:  # the first one released the lock
    assert stage.finished


def test_tuples_and_lists_are_equal_settings(tmp_path):
  with _open(tmp_path, {"depths": (0, 1)}):
    pass
  with _open(tmp_path, {"depths": [0, 1]}) as stage:
    assert stage.finished


def test_failed_start_does_not_fix_the_settings(tmp_path):
  other = {"collect": {"seed": 1}}
  with pytest.raises(RuntimeError), _open(tmp_path):
    raise RuntimeError
  with pytest.raises(RuntimeError), _open(tmp_path, other):
    raise RuntimeError  # not from the settings: a failed start fixes none
  (tmp_path / "collect" / "journal.jsonl").write_text("paid for")
  with pytest.raises(ValueError, match="other settings"), _open(tmp_path):
    pass


def _fail_with_journal(root, settings, content):
  """A stage that fails when its journal holds `content`."""
  with contextlib.suppress(RuntimeError), _open(root, settings) as stage:
    (stage.path / "journal.jsonl").write_text(content)
    raise RuntimeError


def test_an_empty_journal_does_not_fix_the_settings(tmp_path):
  """A teacher that never answered: the advised fix may be another setting."""
  for seed in (0, 1):
    _fail_with_journal(tmp_path, {"collect": {"seed": seed}}, "")


def test_nobody_is_told_to_delete_answers_that_were_paid_for(tmp_path):
  _fail_with_journal(tmp_path, {"collect": {"seed": 0}}, "paid for")
  with pytest.raises(ValueError, match="another --workdir") as error:
    _fail_with_journal(tmp_path, {"collect": {"seed": 1}}, "")
  assert " delete " not in str(error.value)


def test_damaged_file_says_so(tmp_path):
  with _open(tmp_path) as stage:
    pass
  (stage.path / workdir.DONE).write_text("")
  with pytest.raises(ValueError, match="damaged"), _open(tmp_path):
    pass


def test_round_that_is_missing_names_its_script(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"launch\.improve"):
    workdir.require(tmp_path, "round-1")


def test_folder_that_cannot_be_created_is_reported(tmp_path):
  (tmp_path / "file").write_text("")
  with (
    pytest.raises(ValueError, match=r"cannot be written .*--workdir"),
    workdir.stage(tmp_path / "file", "collect", {}),
  ):
    pass


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_a_summary_without_its_time_is_damaged(tmp_path, content):
  with _open(tmp_path) as stage:
    pass
  (stage.path / workdir.DONE).write_text(content)
  with pytest.raises(ValueError, match="damaged"), _open(tmp_path):
    pass


def test_a_lock_that_cannot_be_opened_is_one_clear_error(tmp_path):
  (tmp_path / "collect" / workdir.LOCK).mkdir(parents=True)
  with pytest.raises(ValueError, match="cannot be written"), _open(tmp_path):
    pass


def test_stages_of_a_round_lie_in_its_folder_and_follow_the_first_pass():
  assert workdir.stage_name("train", 2) == "round-2/train"
  with pytest.raises(ValueError, match="round -1"):
    workdir.stage_name("train", -1)
  first, then = ["collect", "annotate", "train"], "round-1/"
  names = [*first, *(then + name for name in first)]
  assert workdir.stages_before("evaluate", 1, own_data=True) == names
  assert (
    workdir.stages_before("round-1/annotate", 1, own_data=True) == names[:4]
  )
  assert workdir.stages_before("train", 1, own_data=False) == []


def test_settings_of_the_connection_do_not_bind_a_dataset():
  names = {f.name for f in dataclasses.fields(TeacherConfig)}
  teacher = dict.fromkeys(names, 1) | {"model": "m"}
  sections = {
    name: {}
    for name in ("world", "model", "collect", "annotate", "lora", "train")
  }
  shape = workdir.shaping_settings(sections | {"teacher": teacher}, "annotate")
  assert shape["teacher"] == {"model": "m"}


def test_teacher_binds_the_experience_where_it_plays():
  for share, expected in ((0.0, False), (0.5, True)):
    sections = {name: {} for name in ("world", "model")}
    sections["teacher"] = {"model": "m", "timeout": 1}
    sections["collect"] = {"actors": {"agent": share, "random": 1.0}}
    shape = workdir.shaping_settings(sections, "collect")
    assert ("teacher" in shape) == expected
    assert shape.get("teacher", {"model": "m"}) == {"model": "m"}


def test_skills_without_rows_do_not_bind_a_dataset(tmp_path):
  one, none = {"rows": 3}, {"rows": 0, "steps": 2}
  sections = {
    "world": {}, "model": {}, "collect": {}, "teacher": {}, "lora": {},
    "train": {}, "annotate": {"skills": {"plan": one, "predict": none}},
    "rounds": {"count": 1, "rows": {"predict": 4}},
  }  # fmt: skip
  shape = workdir.shaping_settings(sections, "annotate")
  assert shape["annotate"]["skills"] == {"plan": one}
  # A round takes its settings from there.
  round_ = workdir.shaping_settings(sections, "round-1/train")
  assert round_["annotate"] == sections["annotate"]
  # Also where an earlier version wrote them.
  settings = {"annotate": sections["annotate"]}
  with workdir.stage(tmp_path, "annotate", settings):
    pass
  workdir.check(tmp_path, "annotate", {"annotate": shape["annotate"]})
  assert len(settings["annotate"]["skills"]) == 2


def test_fields_that_change_nothing_may_differ_in_a_restart(tmp_path):
  """Also where an earlier version wrote them, or lacks them."""
  named = set(step.CHANGEABLE)
  assert named <= {field.name for field in dataclasses.fields(step.StepConfig)}
  with workdir.stage(tmp_path, "train", {"train": {"lr": 1, "remat": False}}):
    pass
  assert workdir.settings_of(tmp_path / "train")["train"]["remat"] is False
  values = dict.fromkeys(named, 0) | {"lr": 1}
  sections = {name: {} for name in ("world", "model", "collect", "annotate")}
  sections |= {"teacher": {}, "lora": {}, "train": values}
  shape = workdir.shaping_settings(sections, "train")
  assert shape["train"] == {"lr": 1}
  workdir.check(tmp_path, "train", {"train": shape["train"]})
  with pytest.raises(ValueError, match=r"train\.lr: 1 there, 2 now"):
    workdir.check(tmp_path, "train", {"train": {"lr": 2}})


def test_settings_of_a_stage_can_be_read_by_another_run(tmp_path):
  settings = {"collect": {"seed": 3}}
  with workdir.stage(tmp_path, "annotate", settings):
    pass
  assert workdir.settings_of(tmp_path / "annotate") == settings
  assert workdir.settings_of(tmp_path / "elsewhere") == {}


def test_another_process_stays_in_a_stage_until_the_first_has_finished(
  tmp_path,
):
  seen, inside = [], threading.Event()

  def other():
    with workdir.follow(tmp_path, "collect", finished=False) as stage:
      seen.append(stage.finished)
      inside.set()
    seen.append("left")

  with _open(tmp_path) as stage:
    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert inside.wait(30.0)  # it works meanwhile
    assert "left" not in seen
    stage.summary["count"] = 3
  thread.join(30.0)
  assert seen == [False, "left"]
  with workdir.follow(tmp_path, "collect", finished=True) as stage:
    assert stage.finished
    assert stage.summary["count"] == 3
