#!/bin/bash
# One run on all hosts of a TPU pod slice, from your own machine.
#
#   bash launch/pods/tpu_vm.sh NAME ZONE --config=configs/laptop.py --workdir=/shared/runs/laptop
#
# Each host has this repository in ~/glimo_jax, installed by launch/quickstart.sh
# or `source launch/install.sh; install`, and /shared is a folder of all hosts.
gcloud compute tpus tpu-vm ssh "$1" --zone="$2" --worker=all --command="cd glimo_jax && .venv/bin/python -m launch.pipeline --distributed=auto $(printf '%q ' "${@:3}")"
