"""The whole map: collect, annotate, train, improve, evaluate.

python -m launch.pipeline --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("run")
