"""MiniGrid's names of its actions, in its order; `done` does nothing."""

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle")
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(len(ACTIONS))
