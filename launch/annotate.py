"""Turn experience into a verified instruction dataset.

python -m launch.annotate --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("annotate")
