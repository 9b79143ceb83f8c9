#!/usr/bin/env bash
# The arms of configs/recipe.py, one after the other, then one report of all.
#   bash launch/recipe.sh [ARM ...]          all arms, or those named, on val
#   bash launch/recipe.sh laptop [ARM ...]   the recipe, or more, on test, with
#                                            three seeds, several hours for each
#                                            run (estimated)
# SEEDS="0 1 2" repeats each arm from several seeds: seed N collects, annotates
# and trains with seed N. SUITE=test evaluates on test, RUNS and RESULTS are the
# folders of runs and fragments. If you start it again, it resumes; an arm and
# seed is finished if its fragment exists.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install
python=.venv/bin/python
if [ "${1:-}" = laptop ]; then
  shift
  config=configs/laptop.py seeds="${SEEDS:-0 1 2}" suite="${SUITE:-test}"
  runs="${RUNS:-runs/laptop}"
  [ "$suite" = test ] && name=recipe || name="recipe/laptop-$suite"
  results="${RESULTS:-docs/results/$name}"
else
  config=configs/recipe.py seeds="${SEEDS:-0}" suite="${SUITE:-val}"
  runs="${RUNS:-runs/recipe}" results="${RESULTS:-docs/results/recipe/$suite}"
  if [ $# -eq 0 ]; then
    set -- $("$python" -c 'from configs import recipe; print(*recipe.ARMS)')
  fi
fi
own_data=" $("$python" -c 'from configs import recipe; print(*recipe.OWN_DATA)') "
for seed in $seeds; do
  for arm in tuned "$@"; do # the others are compared with it
    [ -f "$results/$arm-$seed.json" ] && continue
    [[ "$own_data" == *" $arm "* ]] && owner="$arm" || owner=tuned
    data=""
    if [ "$owner" != "$arm" ]; then
      for stage in collect annotate; do
        "$python" -m "launch.$stage" --config="$config:$owner" \
          --workdir="$runs/$owner-$seed" --seed="$seed"
      done
      data="$runs/$owner-$seed/annotate/dataset"
    fi
    others=True # base, random and oracle are evaluated once
    [ "$arm-$seed" = tuned-0 ] && others=False
    "$python" -m launch.pipeline --config="$config:$arm" \
      --workdir="$runs/$arm-$seed" --seed="$seed" \
      --config.train.data="$data" --config.evaluate.suite="$suite" \
      --config.evaluate.tuned_only="$others"
    "$python" -m launch.report --folder="$results" --runs="$runs" \
      --suite="$suite"
  done
done
