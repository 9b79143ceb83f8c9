"""English texts from installed packages, for replay and held-out tests."""

import email.message
import hashlib
import importlib.metadata
import importlib.util
import pathlib
import typing

from glimo_jax import fields

HELD_OUT = ("prose", "technical")  # never trained on

# Distributions that this project depends on, in the order of reading. Their
# long descriptions are README-like text.
REPLAY = (
  "absl-py", "array_record", "brax", "datasets", "dill", "etils", "flax",
  "gguf", "grain", "httpx", "huggingface-hub", "jax", "jaxlib", "jinja2",
  "matplotlib", "ml_collections", "ml_dtypes", "multiprocess", "numpy",
  "opt-einsum", "optax", "packaging", "pandas", "pillow", "promise",
  "protobuf", "psutil", "pyarrow", "pydantic", "pyyaml", "regex", "requests",
  "rich", "safetensors", "scann", "scipy", "tensorboardX",
  "tensorflow-datasets", "tokenizers", "toml", "tqdm", "transformers",
  "typing_extensions", "wrapt", "xxhash",
)  # fmt: skip
_LONGEST = 8000  # characters of one description, so that no changelog dominates


def load(name: str) -> str:
  """A text by name.

  `prose`: news of 2000-2001 (the Lee corpus, from the gensim package).
  `technical`: Python's language reference (pydoc_data, with every CPython).
  `replay`: the long descriptions of the distributions that this project needs.

  Raises:
    ValueError: no such text.
    FileNotFoundError: the package that holds it is not installed.
  """
  if name not in _LOADERS:
    raise ValueError(fields.unknown("text", name, _LOADERS))
  return _LOADERS[name]()


def digest(text: str) -> str:
  """SHA-256 of a text; reports quote it, since texts change with versions."""
  return hashlib.sha256(text.encode()).hexdigest()


def _prose() -> str:
  # find_spec of a top-level package does not import it: gensim's own
  # dependencies need not be installed.
  spec = importlib.util.find_spec("gensim")
  if spec is None or not spec.submodule_search_locations:
    raise FileNotFoundError(
      "the text 'prose' is read from the gensim package, which is not "
      "installed: pip install --no-deps gensim"
    )
  root = pathlib.Path(spec.submodule_search_locations[0])
  path = root / "test" / "test_data" / "lee_background.cor"
  if not path.exists():
    raise FileNotFoundError(
      "the gensim package here lacks test/test_data/lee_background.cor: "
      "pip install --no-deps --force-reinstall gensim"
    )
  return path.read_text(encoding="utf-8")


def _technical() -> str:
  from pydoc_data import topics

  return "\n\n".join(topics.topics[name] for name in sorted(topics.topics))


def _replay() -> str:
  parts = []
  for name in REPLAY:
    try:
      about = typing.cast(
        email.message.Message, importlib.metadata.metadata(name)
      )
    except importlib.metadata.PackageNotFoundError:
      continue  # the list spans platforms: scann has wheels on Linux only
    text = str(about.get_payload() or about["Description"] or "")
    if len(text) > 400:
      parts.append(text[:_LONGEST].strip())
  if not parts:
    raise FileNotFoundError(
      "no installed distribution has a description: pip install the project "
      "rather than copying its packages"
    )
  return "\n\n".join(parts)


_LOADERS = {"prose": _prose, "technical": _technical, "replay": _replay}
