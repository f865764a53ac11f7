#!/usr/bin/env bash
# Usage: run-tests.sh [--real] [PYTEST ARGUMENT...]
#
# Makes the environment (.venv, with what the tests need), then runs ruff, shellcheck and the tests, all three even
# when one fails. Exit status 0 when all pass, else 1.
#
#   --real   also the tests marked `real`, which install heavy real parts (the claude CLI, llama-server) into
#            $XDG_CACHE_HOME/memex-tests and skip, saying so, where that is not possible
#
# Everything else goes to pytest: a test file, -k EXPRESSION, -x, -n 0. The tests get a scratch HOME and nothing of the
# caller's environment but PATH and what installers need.
set -u

started_in=$PWD
scripts=$(cd "$(dirname "$0")" && pwd) || exit 1
cd "$scripts/.." || exit 1

selected=(-m "not real")
chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$scripts/run-tests.sh"; exit 0 ;;
    --real) selected=(-m "real or not real") ;;
    -*) chosen+=("$1") ;;
    *) # a file as the caller sees it, or a word that belongs to the option before it
      if [ -e "$started_in/${1%%::*}" ]; then chosen+=("$started_in/$1"); else chosen+=("$1"); fi ;;
  esac
  shift
done

python=$(python3 scripts/wiki_env.py --dev) || exit 1
bin=$(dirname "$python")

scratch=$(mktemp -d) || exit 1
building=
trap 'kill $building 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$scratch/home"

kept=("PATH=$PATH" "LANG=C.UTF-8" "TERM=${TERM:-dumb}")
for name in TMPDIR CI MEMEX_CORPUS MEMEX_CORPUS_CACHE NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR PIP_CERT PIP_INDEX_URL \
  HTTPS_PROXY HTTP_PROXY NO_PROXY https_proxy http_proxy no_proxy npm_config_registry npm_config_cafile; do
  if [ -n "${!name:-}" ]; then kept+=("$name=${!name}"); fi
done

# A last line of defence: the fixtures give each test a home of its own, and what forgets them lands here.
in_scratch() {
  env -i "${kept[@]}" HOME="$scratch/home" WIKI_DIR="$scratch/wiki" CLAUDE_CONFIG_DIR="$scratch/claude" \
    CODEX_HOME="$scratch/codex" XDG_CACHE_HOME="$scratch/cache" XDG_CONFIG_HOME="$scratch/config" \
    LLAMA_SERVER_URL=http://127.0.0.1:9 \
    MEMEX_TEST_CACHE="${MEMEX_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-$scratch}/.cache}/memex-tests}" "$@"
}

failed=()
check() { # NAME COMMAND...
  local name=$1
  shift
  in_scratch "$@" </dev/null || failed+=("$name")
}

shell_files=()
for file in scripts/*.sh scripts/hooks/* .ci/run; do
  if [ -f "$file" ]; then shell_files+=("$file"); fi
done

# The real llama-server takes minutes to build: the tests that need it wait for what was begun here.
if [ "${selected[1]}" != "not real" ] && [ ${#chosen[@]} -eq 0 ]; then
  in_scratch nice -n 10 "$python" tests/llama_real.py </dev/null >/dev/null 2>&1 &
  building=$!
fi

check ruff "$bin/ruff" check --no-cache --quiet --output-format concise .
check shellcheck "$bin/shellcheck" "${shell_files[@]}"
check tests "$python" -m pytest -q -rfEs -n 2 "${selected[@]}" ${chosen[@]+"${chosen[@]}"}

if [ ${#failed[@]} -gt 0 ]; then
  echo "run-tests.sh: failed: ${failed[*]}" >&2
  exit 1
fi
