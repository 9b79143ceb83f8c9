"""The check of rationales counts sentences by their first word."""

from benchmarks.checks import rationales


def test_sentences_are_counted_by_their_common_first_words():
  judged = [
    [("next key up.", True, "next key up."), ("up", i == 0, "down")]
    for i in range(12)
  ]
  judged[3].insert(0, ("wall left.", False, "wall up."))
  rows = {row.sentence: row for row in rationales.table(judged)}
  assert list(rows) == ["next", "(other)", "(answer)"]
  assert (rows["next"].count, rows["next"].right) == (12, 1.0)
  assert (rows["(other)"].count, rows["(other)"].right) == (1, 0.0)
  assert rows["(other)"].example == "wall left. / wall up."
  assert rows["(answer)"].right == round(1 / 12, 3)


def test_sentences_end_at_their_stops_and_count_whole(smollm2):
  """Untrained, the base model writes other sentences than these."""
  chat = (
    {"role": "user", "content": "Where to?"},
    {"role": "assistant", "content": "next key up. back left. up"},
  )
  (sentences,) = rationales.judge([chat], smollm2, None)
  said = [text for text, _, _ in sentences]
  assert [s.removesuffix("<|im_end|>").strip() for s in said] == [
    "next key up.", "back left.", "up",
  ]  # fmt: skip
  assert not all(right for _, right, _ in sentences)
