"""How questions are phrased: templates and the answers that are offered."""

import numpy as np

from simulators.driving.moments import CODES
from simulators.driving.types import ACTIONS

TEMPLATES = {
  "light": ("what is the light?", "the light is?", "name the light."),
  "lane": ("is there a lane on your {s}?", "can you change {s}?",
           "does a lane lie {s} of yours?"),
  "people": ("is someone on the crosswalk?", "does anyone cross?",
             "are people crossing?"),
  "beside": ("is a car within ten metres on your {s}?",
             "on your {s}, is a car nearer than ten?",
             "is the {s} lane taken within ten metres?"),
  "pace": ("is the car ahead faster or slower?",
           "faster or slower: the car ahead?",
           "how does the car ahead go, faster or slower?"),
  "reach": ("at these speeds, do you hit the car ahead within five seconds?",
            "is the time to collision below five seconds?",
            "do you reach the car ahead in five seconds?"),
  "gap": ("does a car of the other road come within four seconds?",
          "is the gap on the other road below four seconds?",
          "will the other road's next car be here in four seconds?"),
  "limit": ("does faster aim above the limit?",
            "would faster break the limit?", "is faster beyond the limit?"),
  "halt": ("braking at four, do you stand before the line?",
           "can you stop before the line at four m/s2?",
           "is there room to stop, braking at four?"),
  "in_time": ("at this speed, do you come in time?",
              "is your speed enough to be in time?",
              "going on like this, is the goal reached in time?"),
  "cut_in": ("you change {s}. must the car behind there brake hard?",
             "would changing {s} cut a car off?",
             "does going {s} force someone to brake hard?"),
  "speed_after": ("you {a}. are you faster or slower in two seconds?",
                  "after {a} and two seconds, faster, slower or same?",
                  "how is your speed two seconds after {a}?"),
  "harm": ("you {a}, then keep. is there an accident in four seconds?",
           "does {a} and then keep end badly within four seconds?",
           "{a}, then three times keep: does harm follow?"),
  "plan": ("{plan}: is all well after it?", "you go {plan}. are you safe?",
           "do {plan} pass without harm?"),
  "better": ("which is better, {a} or {b}?", "{a} or {b}: which is better?",
             "is {a} or {b} wiser?"),
  "best": ("which action is best?", "what is best now?",
           "what should you do?"),
  "eased": (
    "four slower, do you still reach the car ahead in ten seconds?",
    "slower by four, is the time to collision below ten seconds?",
    "at four m/s less, do you hit the car ahead within ten seconds?",
  ),
  "distance": ("the car ahead brakes at four, you a second later. do you hit?",
               "is your distance too short if the car ahead brakes at four?",
               "both brake at four, you a second late: is there a crash?"),
  "safe": ("braking at two for what lies ahead, how fast may you be at most?",
           "which speed is safe here, braking at two: three, six or ten?",
           "three, six or ten: the top speed to stop in time, braking at two?"),
  "rule": ("by the rules, do you stop or go ahead?",
           "what do light and crosswalk demand, stop or go?",
           "stop or go: what is the rule here?"),
  "room": ("is there a second of room on your {s}?",
           "is the gap on your {s} a second before and behind?",
           "on your {s}, do both gaps last a second?"),
  "way": ("where the roads meet, who goes first, you or the other?",
          "you or the other: who has the right of way?",
          "who may go first, the other car or you?"),
  "saves": (
    "you {a}, then keep, and it ends badly. would stop have saved you?",
    "harm follows {a} and keep. does stop instead of {a} avoid it?",
    "instead of {a}, which ends in harm, does stop keep you safe?",
  ),
  "cause": ("you go {plan}, then keep. what ends the drive?",
            "{plan}, then keep: what goes wrong first?",
            "after {plan} and keep the drive fails. why?"),
  "over": ("you keep. are you past the line in three seconds?",
           "does keep take you over the line within three seconds?",
           "three times keep: is the line behind you?"),
  "brake": ("you stop now. do you stand before the line?",
            "does stop, given now, halt you before the line?",
            "is it early enough to stop before the line?"),
  "nearer": ("you keep for three seconds. is the car ahead nearer then?",
             "does the gap to the car ahead shrink in three seconds of keep?",
             "three times keep: do you close in on the car ahead?"),
  "slows": ("will the car ahead be slower in three seconds?",
            "does the car ahead brake within three seconds?",
            "is the car ahead about to slow down?"),
  "change": ("will the nearest car change lanes within three seconds?",
             "does the nearest car leave its lane in three seconds?",
             "is the nearest car about to change lanes?"),
}  # fmt: skip

# Kinds with answers of their own; the others are answered by yes or no.
_WORDS = {
  "light": "green amber red",
  "pace": "faster slower",
  "speed_after": "faster slower same",
  "best": " ".join(ACTIONS),
  "safe": "three six ten",
  "rule": "stop go",
  "way": "you other",
  "cause": "car people light road",
}
WIDTH = len(ACTIONS)  # answers offered at most


def offered(kind: str) -> np.ndarray:
  """i32[n]: codes of the answers of a kind, all but `better`."""
  words = _WORDS.get(kind, "yes no").split()
  return np.array([CODES[word] for word in words], np.int32)
