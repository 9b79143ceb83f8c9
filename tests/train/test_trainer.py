"""A step is AdamW on the adapter alone, for any device layout."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import decoder
from glimo_jax.train import export, placement, step, trainer
from glimo_jax.train.step import StepConfig
from glimo_jax.train.trainer import Phase

# eps of AdamW is well above rounding: where a gradient is almost 0, AdamW
# with a small eps would turn rounding into a whole step.
CONFIG = StepConfig(
  lr=1e-2, warmup=1, chunk=16, kl_coef=0.5, log_every=2, eps=1e-4
)


def quiet(line):
  del line


def run(tiny, mesh, tmp_path, phases, config=CONFIG, adapter=None):
  return trainer.train(
    config,
    tiny.config,
    tiny.params,
    tiny.adapter if adapter is None else adapter,
    phases,
    mesh,
    tmp_path,
    quiet,
  )


def one_step(tiny, mesh, data, config=CONFIG, steps=1):
  """Adapter and metrics after `steps` steps on the same data."""
  state = placement.init_state(config, tiny.moved, mesh)
  params = placement.place_params(tiny.params, tiny.config, mesh)
  batches, terms = placement.place_batches(data, config, mesh)
  for _ in range(steps):
    state, metrics = step.train_step(
      state,
      params,
      batches,
      np.float32(1e-3),
      config=config,
      decoder_config=tiny.config,
      mesh=mesh,
      terms=terms,
    )
  return jax.device_get((state.adapter, metrics))


def assert_close(a, b, atol=1e-5):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a, b)


def test_kl_is_zero_at_first_and_base_bytes_never_change(
  tiny, rows, one_device, tmp_path
):
  before = jax.tree.map(lambda p: np.array(p).tobytes(), tiny.params)
  adapter, history = run(
    tiny, one_device, tmp_path, [Phase("only", rows(replay=8), 6)]
  )
  assert history[0]["kl"] == 0.0
  assert history[-1]["kl"] > 1e-6
  assert [line["step"] for line in history] == [1, 2, 3, 4, 5, 6]
  after = jax.tree.map(lambda p: np.array(p).tobytes(), tiny.params)
  assert before == after
  # The caller's adapter was copied, not donated; the result has moved.
  assert not np.array(tiny.adapter.weights["q"]["b"]).any()
  assert np.array(adapter.weights["q"]["b"]).any()


def test_learning_lowers_the_loss(tiny, rows, one_device, tmp_path):
  class Same(rows):
    def __next__(self):
      self.index = 0
      return super().__next__()

  _, history = run(tiny, one_device, tmp_path, [Phase("only", Same(), 30)])
  assert history[-1]["ce"] < 0.7 * history[0]["ce"]


def test_kl_of_phase_two_is_relative_to_the_base(
  tiny, rows, one_device, tmp_path
):
  """Its first KL is that of phase one's adapter to the base, not 0."""
  phases = [Phase("one", rows(replay=8), 4), Phase("two", rows(replay=8), 2)]
  phases[1].iterator.seed = 5
  _, history = run(tiny, one_device, tmp_path / "both", phases)
  alone, _ = run(
    tiny, one_device, tmp_path / "one", [Phase("one", rows(replay=8), 4)]
  )
  _, text = next(rows(replay=8, seed=5))

  @jax.jit
  def logq(adapter):
    hidden = decoder.hidden_states(
      tiny.config,
      tiny.params,
      text.tokens,
      text.positions,
      text.segment_ids,
      adapter=adapter,
    )
    logits = decoder.logits(tiny.params, hidden)
    at = jnp.take_along_axis(logits, text.scored[..., None], 1)
    return jax.nn.log_softmax(at)

  p, q = logq(None), logq(alone)
  expected = jnp.mean(jnp.sum(jnp.exp(p) * (p - q), -1))
  assert history[4]["phase"] == "two"
  assert float(expected) > 1e-4
  np.testing.assert_allclose(history[4]["kl"], expected, rtol=1e-3)


def test_one_device_equals_eight(tiny, rows, one_device):
  """For data alone and for data x fsdp x tensor."""
  data = next(rows(replay=8))
  expected = one_step(tiny, one_device, data, steps=2)
  for sizes in ((8, 1, 1), (2, 2, 2)):
    assert_close(one_step(tiny, mesh_lib.make(*sizes), data, steps=2), expected)


@pytest.mark.parametrize("remat", ["none", "dots"])
def test_accumulation_remat_and_chunks_change_nothing(
  tiny, rows, one_device, remat
):
  """Microbatches with different numbers of scored tokens weigh by token."""
  data = next(rows(replay=8))
  counts = data[0].ce_weight.sum(-1)
  assert counts[::2].sum() != counts[1::2].sum()
  config = dataclasses.replace(CONFIG, accumulate=2, remat=remat, chunk=10_000)
  assert_close(
    one_step(tiny, one_device, data, config), one_step(tiny, one_device, data)
  )


def test_reference_is_not_run_for_task_rows_alone(
  tiny, rows, one_device, monkeypatch
):
  def refuse(*args, **kwargs):
    raise AssertionError("the reference was computed")

  monkeypatch.setattr(decoder, "hidden_pair", refuse)

  def trace(config):
    config = dataclasses.replace(
      config, seed=11
    )  # no other test traces this one
    state = placement.init_state(config, tiny.moved, one_device)
    batches, terms = placement.place_batches(next(rows()), config, one_device)
    step.train_step.trace(
      state,
      tiny.params,
      batches,
      np.float32(0),
      config=config,
      decoder_config=tiny.config,
      mesh=one_device,
      terms=terms,
    )

  trace(CONFIG)
  with pytest.raises(AssertionError, match="reference was computed"):
    trace(dataclasses.replace(CONFIG, kl_tokens="completion"))


def test_kl_tokens_setting_selects_the_kl_tokens(rows, one_device):
  task, text = data = next(rows(rows=4, replay=2))
  expected = {
    "replay": [0, text.kl_weight.sum()],
    "completion": [task.ce_weight.sum()],
    "all": [task.tokens.size, text.tokens.size],
  }
  for tokens, counts in expected.items():
    config = dataclasses.replace(CONFIG, kl_tokens=tokens)
    batches, terms = placement.place_batches(data, config, one_device)
    assert [float(b.kl_weight.sum()) for b in batches] == counts
    assert [with_kl for _, with_kl in terms] == [n > 0 for n in counts]
    assert float(batches[0].ce_weight.sum()) == task.ce_weight.sum()
  free = dataclasses.replace(CONFIG, kl_coef=0.0)
  assert placement.place_batches(data, free, one_device)[1] == ((True, False),)
  with pytest.raises(ValueError, match="nothing to learn"):
    placement.place_batches(data[1:], free, one_device)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_adamw_steps_equal_peft(tiny, rows, one_device, tmp_path, direction):
  """Two steps on the same rows from the same A and B, in torch with PEFT."""
  torch = pytest.importorskip("torch")
  peft = pytest.importorskip("peft")
  import transformers

  config = dataclasses.replace(
    CONFIG,
    kl_direction=direction,
    kl_tokens="completion",
    weight_decay=0.1,
    clip_norm=0.5,
  )
  (batch,) = data = next(rows())
  export.save_merged(tiny.params, tiny.adapter, tiny.config, tmp_path / "base")
  export.save_peft(tiny.moved, tiny.config, tmp_path / "start")
  base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
  model = peft.PeftModel.from_pretrained(
    base, tmp_path / "start", is_trainable=True
  )
  weights = [p for p in model.parameters() if p.requires_grad]
  adamw = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.1, eps=1e-4)
  tokens = torch.from_numpy(batch.tokens).long()
  row = torch.arange(len(tokens))[:, None]
  at = torch.from_numpy(batch.scored).long()
  weight = torch.from_numpy(batch.ce_weight)
  ids = torch.from_numpy(batch.target_ids).long()
  for _ in range(2):
    q = model(tokens).logits[row, at].log_softmax(-1)
    with torch.no_grad(), model.disable_adapter():
      b = model(tokens).logits[row, at].log_softmax(-1)
    ce = -(torch.from_numpy(batch.target_probs) * q.gather(-1, ids)).sum(-1)
    if direction == "forward":
      kl = (b.exp() * (b - q)).sum(-1)
    else:
      kl = (q.exp() * (q - b)).sum(-1)
    loss = ((ce + 0.5 * kl) * weight).sum() / weight.sum()
    adamw.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 0.5)
    adamw.step()
  model.save_pretrained(tmp_path / "end")
  expected = export.load_peft(tmp_path / "end")
  adapter, metrics = one_step(tiny, one_device, data, config, steps=2)
  np.testing.assert_allclose(metrics["loss"], loss.item(), rtol=1e-5)
  assert_close(adapter.weights, jax.device_get(expected.weights))


def test_non_finite_loss_names_step_and_rows(tiny, rows, one_device, tmp_path):
  class Broken(rows):
    def __next__(self):
      (batch,) = super().__next__()
      if self.index == 3:
        batch = batch.replace(target_probs=batch.target_probs * np.inf)
      return (batch,)

  phases = [Phase("acting", Broken(), 9)]
  with pytest.raises(
    FloatingPointError, match=re.escape("[[16, 17, 18, 19, 20, 21, 22, 23]]")
  ) as error:
    run(tiny, one_device, tmp_path, phases)
  assert "step 3 of phase 'acting'" in str(error.value)


def test_learning_rate_rises_and_falls_in_each_phase(rows):
  config = StepConfig(lr=2.0, warmup=2)
  phases = [Phase("one", rows(), 6), Phase("two", rows(), 4)]
  rates = trainer.learning_rates(config, phases)
  np.testing.assert_allclose(rates[:3], [1.0, 2.0, 2.0])
  np.testing.assert_allclose(rates[4], 1.0, rtol=1e-6)  # halfway down
  np.testing.assert_allclose(rates[6:], [1.0, 2.0, 2.0, 1.0], rtol=1e-6)
  with pytest.raises(ValueError, match="phase 'two' has 2 steps"):
    trainer.learning_rates(config, [Phase("two", rows(), 2)])


def test_rows_not_divisible_by_the_mesh_are_refused(tiny, rows, tmp_path):
  phases = [Phase("only", rows(rows=6), 3)]
  with pytest.raises(ValueError, match="batch 6 is not divisible by data"):
    run(tiny, mesh_lib.make(), tmp_path, phases)
  config = dataclasses.replace(CONFIG, accumulate=3)
  phases = [Phase("only", rows(rows=8), 3)]
  with pytest.raises(ValueError, match="accumulate = 24"):
    run(tiny, mesh_lib.make(), tmp_path / "b", phases, config)


@pytest.mark.parametrize(
  ("field", "value"),
  [
    ("lr", 0.0),
    ("kl_coef", -1.0),
    ("accumulate", 0),
    ("kl_direction", "both"),
    ("kl_tokens", "none"),
    ("remat", "dot"),
  ],
)
def test_bad_settings_are_named(field, value):
  with pytest.raises(ValueError, match=rf"train\.{field} '?{value}"):
    StepConfig(**{field: value})


def test_log_lines_come_every_n_steps(tiny, rows, one_device, tmp_path):
  lines = []
  trainer.train(
    CONFIG,
    tiny.config,
    tiny.params,
    tiny.adapter,
    [Phase("acting", rows(), 5)],
    one_device,
    tmp_path,
    lines.append,
  )
  assert [line.split(":")[0] for line in lines] == [
    "acting 2/5",
    "acting 4/5",
    "acting 5/5",
  ]
  written = (tmp_path / "metrics.jsonl").read_text().splitlines()
  assert [json.loads(line)["step"] for line in written] == [1, 2, 3, 4, 5]
