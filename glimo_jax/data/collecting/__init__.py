"""The parts of a collection; `data.collect` puts them together.

settings   what to play and what to keep
episodes   episodes as lists of moments
scripted   actors that need no language model, on the device
refining   the agent, which plans, fails and plans again
coverage   what the episodes have met, and when little more is new
"""
