"""Every word that AgentWorld uses, and the numbers that stand for answers.

Every word is one token of SmolLM2's vocabulary, with a space before it and
without.
"""

ACTIONS = ("up", "down", "left", "right")

# Pairs of the real world: tool i opens element i. The last OOD_KINDS pairs
# appear in the split `ood-chain` only.
REAL_TOOLS = (
  "ax", "key", "pick", "torch", "boat", "pole", "coal", "horse",
)  # fmt: skip
REAL_ELEMENTS = (
  "tree", "door", "rock", "ice", "river", "pit", "snow", "log",
)  # fmt: skip
# Words of the imperfect worlds, disjoint from the real ones. Each `swapped`
# variant draws eight of each and pairs them at random. A model trained on
# several such variants must read the pairs, as it cannot remember them.
SWAPPED_TOOLS = (
  "coat", "bone", "bread", "bucket", "bomb", "brush", "oil", "coin", "bolt",
  "hook", "bell", "leaf", "card", "ring", "salt", "milk", "apple", "arrow",
  "ball", "belt", "book", "bow", "box", "button", "camera", "cap", "clock",
  "cookie", "cube", "cup", "disk", "egg", "fan", "flag", "flower", "gold",
  "gun", "hat", "horn", "ink", "iron", "jar", "lens", "lime", "lock", "map",
  "mask", "nail", "net", "note", "nut", "orange", "pen", "phone", "pie",
  "pill", "pipe", "plate", "plug", "radio", "robe", "rod", "rose", "rug",
)  # fmt: skip
SWAPPED_ELEMENTS = (
  "vine", "dog", "mouse", "fire", "glass", "web", "mud", "gate", "stone",
  "chain", "bear", "lake", "guard", "snake", "wolf", "storm", "bank", "beam",
  "bed", "bench", "bird", "bridge", "bull", "bush", "cart", "castle", "cat",
  "chair", "church", "cloud", "crow", "dust", "earth", "engine", "farm",
  "field", "fish", "floor", "fox", "frame", "grass", "hall", "hen", "hole",
  "house", "king", "lion", "mill", "mine", "moon", "ocean", "oven", "owl",
  "panel", "park", "pig", "plant", "pool", "rail", "rain", "robot", "room",
  "sand", "street",
)  # fmt: skip
TOOLS = REAL_TOOLS + SWAPPED_TOOLS
ELEMENTS = REAL_ELEMENTS + SWAPPED_ELEMENTS

KINDS = 8  # kinds of tools, and of elements, in a world
OOD_KINDS = 2  # the last ones, which appear in `ood-chain` only

# What a level asks for. `take` and `bring` name a tool, `open` an element;
# `push` means any box on the goal's cell.
GOALS = ("reach", "take", "open", "bring", "push")

NUMBERS = (
  "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
  "nine", "ten", "eleven", "twelve",
)  # fmt: skip
BOX = "package"  # `box` is a tool of the swapped worlds
HAZARD = "danger"
NOTHING = "nothing"
# What can come next on the way to a goal; a subgoal's number is its place here.
SUBGOALS = ("goal", BOX, *TOOLS, *ELEMENTS)

# --- Answers ------------------------------------------------------------------

COUNTS = NUMBERS[1:9]  # the numbers that are answers
# Every possible answer; an answer's code is its place here. Datasets hold
# codes, so new answers go to the end.
ANSWERS = (
  *("yes", "no"), *ACTIONS, *COUNTS, *("wall", NOTHING, "goal"),
  *TOOLS, *ELEMENTS, *GOALS, BOX, HAZARD,
)  # fmt: skip
YES_CODE, NO_CODE = ANSWERS.index("yes"), ANSWERS.index("no")
WALL_CODE, NOTHING_CODE = ANSWERS.index("wall"), ANSWERS.index(NOTHING)
GOAL_CODE, BOX_CODE = ANSWERS.index("goal"), ANSWERS.index(BOX)
HAZARD_CODE = ANSWERS.index(HAZARD)
# Codes of the first of several answers in a row.
ACTION_CODE, COUNT_CODE = ANSWERS.index(ACTIONS[0]), ANSWERS.index(COUNTS[0])
TOOL_CODE, ELEMENT_CODE = ANSWERS.index(TOOLS[0]), ANSWERS.index(ELEMENTS[0])
TASK_CODE = ANSWERS.index(GOALS[0])
