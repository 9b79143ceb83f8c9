"""Fine-tune the LLM in one stage or two, LoRA under a KL leash.

python -m launch.train --config=configs/quickstart.py --workdir=runs/x
"""

from launch import common

if __name__ == "__main__":
  common.run("train")
