#!/bin/bash
# One run on several hosts of a Slurm cluster, one process for each GPU.
#
#   sbatch --nodes=4 launch/pods/slurm.sh --config=configs/laptop.py --workdir=/shared/runs/laptop
#
# The folder of --workdir is on a file system that all hosts share. A minute
# before the time is over Slurm sends SIGUSR1. A training then saves its step and
# exits with 143; other stages end with 138 and continue from their files. In both
# cases the job is queued again.
#SBATCH --job-name=glimo
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@60
#SBATCH --requeue
#SBATCH --open-mode=append

srun --kill-on-bad-exit=0 .venv/bin/python -m launch.pipeline --distributed=auto "$@"
code=$?
case "$code" in 143 | 138) scontrol requeue "$SLURM_JOB_ID" ;; esac
exit "$code"
