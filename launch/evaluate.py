"""Judge base and tuned model in the real world; write the report.

python -m launch.evaluate --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("evaluate")
