"""Fine-tune the LLM with LoRA under a KL penalty.

python -m launch.train --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("train")
