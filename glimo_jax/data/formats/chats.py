"""The instruction dataset as whole chats, for other training programs.

Each row has `messages`, ending with the assistant's turn, and where it comes
from. TRL and Axolotl read the files as they are; LLaMA-Factory finds them by
`dataset_info.json`.
"""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from glimo_jax import files
from glimo_jax.data.formats import card
from glimo_jax.types import SPLITS, InstructionDataset, InstructionExample

# Provenance that goes along with a chat.
_FACTS = (
  "row_id", "kind", "world", "variant", "source", "teacher", "label_source",
  "verdict", "checked_by", "episode",
)  # fmt: skip


def chat(row: InstructionExample) -> dict[str, Any]:
  """{"messages", and facts of the row}; of several right answers, the best."""
  answer = {"role": "assistant", "content": row.completions[0]}
  facts = {name: getattr(row, name) for name in _FACTS}
  return {"messages": [*map(dict, row.messages), answer], **facts}


def write_jsonl(
  dataset: InstructionDataset, folder: str | pathlib.Path
) -> pathlib.Path:
  """Writes train.jsonl, val.jsonl and dataset_info.json.

  The last one is LLaMA-Factory's: give it the folder as `dataset_dir`.
  """
  folder, known = pathlib.Path(folder), {}
  for split, rows in _splits(dataset):
    name = f"{split}.jsonl"
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with (
      files.replacing(folder / name) as draft,
      draft.open("w", encoding="utf-8") as out,
    ):
      out.writelines(lines)
    known[f"glimo_{split}"] = {
      "file_name": name,
      "formatting": "sharegpt",
      "columns": {"messages": "messages"},
      "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
      },
    }
  files.write_json(folder / "dataset_info.json", known)
  return folder


def write_hub(
  dataset: InstructionDataset, folder: str | pathlib.Path
) -> pathlib.Path:
  """Writes Parquet files and a card; `datasets.load_dataset` reads the folder.

  `datasets.load_dataset(folder).push_to_hub(NAME)` shares it.
  """
  import datasets

  folder = pathlib.Path(folder)
  for split, rows in _splits(dataset):
    table = datasets.Dataset.from_list(list(rows))
    with files.replacing(folder / f"{split}.parquet") as draft:
      table.to_parquet(draft)
  files.write_text(folder / "README.md", card.card(dataset, {}))
  return folder


def _splits(
  dataset: InstructionDataset,
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
  """(name, chats) of each split with rows."""
  for split in SPLITS:
    if rows := getattr(dataset, split):
      yield split, map(chat, rows)
