"""Rounds of the tuned model's own play, each followed by training on it.

python -m launch.improve --config=configs/recipe.py:rounds-2 --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("improve")
