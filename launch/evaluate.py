"""Judge base and tuned model in the real world; write the report.

python -m launch.evaluate --config=configs/quickstart.py --workdir=runs/x

--suite=val judges on the validation levels instead of the test levels.
"""

from absl import flags

from launch import common

_SUITE = flags.DEFINE_string(
  "suite", None, "Short for --config.evaluate.suite: test or val."
)


def _settings(values: dict) -> None:
  if _SUITE.value is not None:
    values["evaluate"]["suite"] = _SUITE.value


if __name__ == "__main__":
  common.run("evaluate", settings=_settings)
