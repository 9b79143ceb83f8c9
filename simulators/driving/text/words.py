"""The words of descriptions: slots, numbers, and the scales they round to.

Every word of a number is one token of SmolLM2's vocabulary, with a space before
it. So is every digit, and the space before a number in digits.
"""

import re
from typing import SupportsFloat

from simulators.driving.types import FAMILIES

WORDS = {
  0: "zero", 1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six",
  7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve", 14: "fourteen",
  15: "fifteen", 16: "sixteen", 18: "eighteen", 20: "twenty", 30: "thirty",
  40: "forty", 50: "fifty", 60: "sixty", 80: "eighty", 100: "hundred",
}  # fmt: skip
NUMBERS = {word: number for number, word in WORDS.items()}
SPEEDS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)  # m/s
DISTANCES = (0, 2, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100)  # m, along the road
ACROSS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12)  # m, across the road
TIMES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30)  # s
LIGHTS = ("none", "green", "amber", "red")  # by the code in `Obs.light`
# The names of lanes, from the right; a single lane has no name.
LANES = {2: ("right", "left"), 3: ("right", "middle", "left")}
# Where another car may be. In the first eight its distance runs from bumper to
# bumper, in the last two to where its path meets the ego's.
OTHER_ROADS = ("oncoming", "crossing")
SLOTS = (
  "ahead", "behind", "left beside", "left ahead", "left behind",
  "right beside", "right ahead", "right behind", *OTHER_ROADS,
)  # fmt: skip
# Words beside numbers that `parse_description` returns.
PLAIN = (*LIGHTS[1:], *SLOTS, *FAMILIES, "car", "truck")

_PIECES = re.compile(r"\d|[a-zA-Z]+|[^\w\s]| (?=\d)")
# Words of two tokens; those of tasks begin a text, without a space before them.
_LONG = (
  "oncoming", "Oncoming", "Crosswalk", "Ahead", "Amber", "Merge", "Obey",
  "parked",
)  # fmt: skip


def number(value: SupportsFloat, scale: tuple[int, ...]) -> str:
  """The word of the number in `scale` that is nearest to `value`."""
  return WORDS[min(scale, key=lambda x: abs(x - float(value)))]


def tokens(text: str) -> int:
  """Tokens of SmolLM2 in a text of these words; the tests compare the two."""
  return sum(1 + (piece in _LONG) for piece in _PIECES.findall(text))
