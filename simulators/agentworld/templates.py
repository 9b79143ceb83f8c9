"""How questions are phrased, and what they are about.

`{aim}` is the goal where that is to be reached, and success where something
else is asked for: then the goal is but a cell, if there is one.
"""

TEMPLATES = {
  "where": (
    "is {x} {one} or {two}?",
    "{one} or {two}: where is {x}?",
    "which way is {x}, {one} or {two}?",
  ),
  "adjacent": (
    "what is one step {d}?",
    "what is next to you {d}?",
    "name what is just {d} of you.",
  ),
  "nearer": (
    "which is nearer, {x} or {y}?",
    "nearer to you: {x} or {y}?",
    "is {x} or {y} less far?",
  ),
  "which_tool": (
    "which tool does {x} need?",
    "what does {x} need?",
    "what do you need for {x}?",
  ),
  "bump": (
    "you go {d}. do you move?",
    "would going {d} move you?",
    "does {d} take you anywhere?",
  ),
  "if_held": (
    "if you held {x}, could you go {d}?",
    "with {x} in hand, could you go {d}?",
    "suppose you had {x}: could you go {d}?",
  ),
  "reachable": (
    "is there an open way to {x}?",
    "can you reach {x} and open nothing?",
    "is {x} reachable as things stand?",
  ),
  "optimal_next": (
    "which move is best?",
    "what is the best move now?",
    "which move leads to {aim} soonest?",
  ),
  "plan": (
    "does {plan} lead to {x}?",
    "you go {plan}. are you at {x}?",
    "do the moves {plan} end at {x}?",
  ),
  "steps": (
    "how many steps to {aim}?",
    "{aim} takes how many moves?",
    "count the fewest steps to {aim}.",
  ),
  "held": (
    "do you hold {x}?",
    "is {x} in your hands?",
    "have you taken {x}?",
  ),
  "exits": (
    "how many of the four moves would move you?",
    "how many ways can you go now?",
    "count the moves that are not blocked.",
  ),
  "task": (
    "what are you asked to do?",
    "what is your task here?",
    "which is asked for: reach, take, open, bring or push?",
  ),
  "distance": (
    "how many rows plus columns away is {x}?",
    "rows plus columns to {x}: how many?",
    "add rows and columns: how far is {x}?",
  ),
  "apart": (
    "how many rows plus columns from {x} to {y}?",
    "how many rows plus columns lie between {x} and {y}?",
    "add rows and columns: how far is {y} from {x}?",
  ),
  "aligned": (
    "is {x} in your {line}?",
    "do you share a {line} with {x}?",
    "are you and {x} in one {line}?",
  ),
  "relative": (
    "seen from {x}, is {y} {one} or {two}?",
    "{one} or {two} of {x}: where is {y}?",
    "from {x}, which way is {y}, {one} or {two}?",
  ),
  "which_element": (
    "what does {x} open?",
    "which thing is opened by {x}?",
    "what is {x} good for?",
  ),
  "opens": (
    "does {x} open {y}?",
    "is {x} the tool for {y}?",
    "would {x} get you through {y}?",
  ),
  "can_open": (
    "can you open {x} with what you hold?",
    "do you hold the tool for {x}?",
    "would {x} open to you now?",
  ),
  "takes": (
    "does going {d} take a tool?",
    "you go {d}. do you take a tool?",
    "is there a tool to take one step {d}?",
  ),
  "nears": (
    "does going {d} bring you nearer to {x}?",
    "you go {d}. are you nearer to {x} then?",
    "would going {d} shorten the distance to {x}?",
  ),
  "next_distance": (
    "you go {d}. how many rows plus columns is {x} away then?",
    "after going {d}, how many rows plus columns is it to {x}?",
    "once you went {d}, how many rows plus columns away is {x}?",
  ),
  "pushes": (
    "does going {d} push a {box}?",
    "you go {d}. does a {box} move?",
    "would going {d} move a {box}?",
  ),
  "deadly": (
    "would going {d} end badly?",
    "does {d} lead into {hazard}?",
    "is it deadly to go {d}?",
  ),
  "if_open": (
    "were {y} open, would a free way lead to {x}?",
    "if {y} were open, could you walk to {x}?",
    "suppose {y} is open: is there a way to {x}?",
  ),
  "helps": (
    "would holding {x} save you steps?",
    "with {x} in hand, would {aim} be nearer?",
    "would you be quicker with {x} in hand?",
  ),
  "way_bar": (
    "which closed thing bars the way to {x}?",
    "what must be opened to walk to {x}?",
    "what is in the way to {x}?",
  ),
  "better": (
    "which is better, {one} or {two}?",
    "{one} or {two}: which is better?",
    "is {one} or {two} the better move?",
  ),
  "progress": (
    "is {d} a best move?",
    "does going {d} leave fewer steps to {aim}?",
    "is going {d} progress?",
  ),
  "first_tool": (
    "which tool do you fetch first?",
    "which tool do you need first?",
    "which tool must be fetched first, if any?",
  ),
  "good_start": (
    "does going {plan} start a shortest way?",
    "does going {plan} begin a best way to {aim}?",
    "after going {plan}, is {aim} two steps nearer?",
  ),
  "stopped": (
    "you go {plan}. what stops you?",
    "what is in the way of {plan}?",
    "{plan}: what do you run into?",
  ),
  "why_barred": (
    "why can you not go {d}?",
    "going {d} does not move you. why?",
    "what keeps you from going {d}?",
  ),
  "lacking": (
    "what do you lack to go {d}?",
    "which tool would let you go {d}?",
    "going {d} fails. which tool is missing?",
  ),
  "did_move": (
    "your last move was {d}. did it move you?",
    "you went {d} just now. did you get anywhere?",
    "did {d}, your last move, take you here?",
  ),
  "was_distance": (
    "how many rows plus columns away was {x} before you went {past}?",
    "you went {past}. how many rows plus columns away was {x} before?",
    "rows plus columns to {x} before you went {past}: how many?",
  ),
  "approached": (
    "you went {past}. are you nearer to {x} than before?",
    "has going {past} brought you nearer to {x}?",
    "are you nearer to {x} than before you went {past}?",
  ),
}  # fmt: skip
CATEGORIES = {
  kind: category
  for category, kinds in {
    "perception": "where adjacent held exits task",
    "spatial relation": "nearer apart aligned relative",
    "rules": "which_tool which_element opens can_open",
    "next state": "bump takes nears next_distance pushes deadly",
    "counterfactual": "if_held if_open helps",
    "reachability": "reachable way_bar",
    "planning": "optimal_next better progress first_tool",
    "plan validity": "plan good_start stopped",
    "cause of failure": "why_barred lacking",
    "history": "did_move was_distance approached",
    "measure": "steps distance",
  }.items()
  for kind in kinds.split()
}
