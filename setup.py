"""Packaging of glimo_jax and simulators; see README.md for the commands."""

import pathlib

import setuptools

_ROOT = pathlib.Path(__file__).parent

# jax 0.11 needs Python 3.12 and drops an API that flax <= 0.12.8 subclasses.
_JAX = [
  "jax>=0.9,<0.11; python_version < '3.12'",
  "jax>=0.9; python_version >= '3.12'",
]

_REQUIREMENTS = [
  *_JAX,
  "absl-py>=2.1",
  "brax>=0.14",
  "datasets>=4",
  "flax>=0.12",
  "gguf>=0.17",
  "httpx>=0.27",
  "huggingface_hub>=1,<3",
  "jaxtyping>=0.3",
  "jinja2>=3.1",
  "ml_collections>=1.0",
  "numpy>=2",
  "optax>=0.2.5",
  "orbax-checkpoint>=0.11.20",
  "pillow>=10",
  "pyarrow>=15",
  "safetensors>=0.5",
  "scann>=1.4; platform_system == 'Linux'",
  "scipy>=1.13",
  "tensorboardX>=2.6",
  "tensorflow-datasets>=4.9.8",
  "tokenizers>=0.21",
  "tqdm>=4.66",
  # tensorflow-datasets imports these when it writes and reads array_record.
  "array_record>=0.8",
  "importlib_resources>=6",
  "transformers>=5,<6",
  # httpx looks for it four times a request: without it, a third of the time.
  "sniffio>=1.3",
]

# Worlds and vehicles of others, which ours are held against.
_WORLDS = [
  "eclipse-sumo>=1.28",
  "gymnasium>=1.0",
  "highway-env>=1.12",
  "minigrid>=3.2",
  "traci>=1.28",
]
_PEERS = ["commonroad-vehicle-models>=3", *_WORLDS]
_TEST = [
  *_PEERS,
  "basedpyright>=1.30",
  "beartype>=0.20",
  "grain>=0.2.10",
  "matplotlib>=3.9",  # docs/make_figures.py
  "pdoc>=16",  # launch/docs.sh
  "peft>=0.17",
  "pytest>=8",
  "pytest-timeout>=2.3",
  "pytest-xdist>=3.6",
  "ruff>=0.8",
  "torch==2.13.0",
  "trl>=1",
  "xllamacpp>=0.2",
]

setuptools.setup(
  name="glimo_jax",
  version="0.1.0",
  description=(
    "Turn a cheap, imperfect simulator and an LLM into a better LLM."
  ),
  long_description=(
    (_ROOT / "README.md").read_text() if (_ROOT / "README.md").exists() else ""
  ),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  license_files=["LICENSE"],
  python_requires=">=3.11",
  packages=setuptools.find_packages(include=["glimo_jax*", "simulators*"]),
  package_data={"glimo_jax.data.replay": ["prompts/*.txt"]},
  install_requires=_REQUIREMENTS,
  extras_require={
    "cuda": ["jax[cuda13]"],
    "cuda12": ["jax[cuda12]"],
    "tpu": ["jax[tpu]"],
    # llama.cpp's server, for launch/serve.py.
    "serve": ["xllamacpp>=0.2"],
    # Worlds of other authors, for launch/outside.py.
    "worlds": _WORLDS,
    "bench": [
      *_PEERS,
      "navix>=0.7",
      "peft>=0.17",
      "torch==2.13.0",
      "xminigrid>=0.9",
    ],
    "test": _TEST,
  },
)
