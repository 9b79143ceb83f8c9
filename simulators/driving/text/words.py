"""The words for numbers, and the scales that descriptions round to.

Every word is one token of SmolLM2's vocabulary, with a space before it.
"""

from typing import SupportsFloat

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
# Words beside numbers that `parse_description` returns.
PLAIN = (
  *LIGHTS[1:], "left", "right", "ahead", "behind", "beside", "oncoming",
  "crossing", "car", "truck",
)  # fmt: skip


def number(value: SupportsFloat, scale: tuple[int, ...]) -> str:
  """The word of the number in `scale` that is nearest to `value`."""
  return WORDS[min(scale, key=lambda x: abs(x - float(value)))]
