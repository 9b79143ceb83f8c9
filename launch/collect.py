"""Play episodes in the imperfect world.

python -m launch.collect --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("collect")
