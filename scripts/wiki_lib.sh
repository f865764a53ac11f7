# shellcheck shell=bash
# Sourced by every .sh of the suite: . "$(dirname "$0")/wiki_lib.sh"
#
#   say LINE               one line a change, on stdout
#   note LINE              progress for a person: stderr, only on a terminal
#   warn SUBJECT WHAT      'script: subject: what happened; what to do'; the run ends with 1 at least
#   die SUBJECT WHAT       the same, and exit 1
#   usage                  the script's header comment, which is its help
#   misused WHAT           what was wrong with the command line, and exit 2
#   environment            WIKI_DIR and PYTHON, absolute and exported; makes the environment where it is missing
#   run_locked "$@"        the script starts again under the run lock; 75 when another run holds it
#   phase NAME CMD...      runs a command and goes on whatever becomes of it; remembers its status and its seconds
#   phases                 what phase remembered: a line a phase, 'name<TAB>status<TAB>seconds'
#   begin_log, end_log     what say and warn print in this run, also in MEMEX_LOG; then kept in the run log
#   finish                 exits with the worst status
#
# bash 3.2: an empty array dies under set -u, so pass arrays as ${a[@]+"${a[@]}"}.
set -u

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
CHECKOUT=$(dirname "$SCRIPTS")
PROGRAM=${0##*/}
WORST=0
PHASES=""
CHILD=""
PYTHON=""

# cron and service managers may start us with no stdin at all; a child could then open a file as its own.
{ : <&0; } 2>/dev/null || exec </dev/null
{ : >&2; } 2>/dev/null || exec 2>/dev/null
{ : >&1; } 2>/dev/null || exec >/dev/null

say() {
  printf '%s\n' "$*"
  [ -z "${MEMEX_LOG:-}" ] || { printf '%s\n' "$*" >>"$MEMEX_LOG"; } 2>/dev/null
}

note() {
  [ -t 2 ] || return 0
  printf '%s\n' "$*" >&2
}

warn() {
  printf '%s: %s: %s\n' "$PROGRAM" "$1" "$2" >&2
  worse 1
}

die() {
  warn "$1" "$2"
  exit 1
}

usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

misused() {
  printf '%s: %s; see %s --help\n' "$PROGRAM" "$1" "$PROGRAM" >&2
  exit 2
}

# WIKI_DIR is where the wiki is (default: the checkout), PYTHON the environment's own.
environment() {
  WIKI_DIR=${WIKI_DIR:-$CHECKOUT}
  case "$WIKI_DIR" in
    /*) ;;
    *) WIKI_DIR=$PWD/$WIKI_DIR ;;
  esac
  export WIKI_DIR
  [ -z "$PYTHON" ] || return 0
  PYTHON=$CHECKOUT/.venv/bin/python      # whether it is up to date, each program checks for itself
  [ -x "$PYTHON" ] && return 0
  command -v python3 >/dev/null 2>&1 || die python3 "not found on PATH; install Python 3.11 or newer"
  PYTHON=$(python3 "$SCRIPTS/wiki_env.py") || exit 1
}

# The lock belongs to an open file that this shell and its children inherit: whatever ends them frees it.
# MEMEX_RUN_FOR names the folder, so that a run on another wiki started from inside this one takes a lock of its own.
# With the lock comes MEMEX_RUN_STARTED, by which the phases of a night share one budget for model calls (wiki_budget.py).
run_locked() {
  if [ -n "${MEMEX_QUESTION:-}" ]; then      # a hook or an agent started it there; it would ask, and be mined, without end
    printf "%s: inside a model call of this wiki's own; nothing was done\n" "$PROGRAM" >&2
    exit 0
  fi
  environment
  [ -n "${MEMEX_RUN:-}" ] && [ "${MEMEX_RUN_FOR:-}" = "$WIKI_DIR" ] && return 0
  exec "$PYTHON" "$SCRIPTS/wiki_lock.py" "$BASH" "$0" "$@"
}

# Whether this script took the run lock itself, or runs as a part of one that did.
outermost() { [ "${MEMEX_RUN_PID:-}" = "$$" ]; }

phase() {
  local name=$1 status=0 began=$SECONDS
  shift
  note "-- $name"
  # In the background and waited for, so that a signal to this shell alone still reaches what it runs.
  "$@" <&0 &
  CHILD=$!
  wait "$CHILD" || status=$?
  CHILD=""
  PHASES="$PHASES$name	$status	$((SECONDS - began))
"
  worse "$status"
  case $status in 130 | 143) finish ;; esac      # stopped by a person: the rest is not wanted either
  return "$status"
}

phases() { printf '%s' "$PHASES"; }

# One file a run in the cache, so that the closing words see this run alone; a killed run's file is kept by the next one.
begin_log() {
  local folder=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/memex
  mkdir -p "$folder" 2>/dev/null || folder=${TMPDIR:-/tmp}
  MEMEX_LOG=$folder/run-${MEMEX_RUN:-alone}.log
  [ ! -s "$MEMEX_LOG" ] || end_log
  # Nowhere to write (a full or read-only disk): the run goes on without its closing words.
  { : >"$MEMEX_LOG"; } 2>/dev/null || MEMEX_LOG=/dev/null
  export MEMEX_LOG
}

end_log() {
  local keep=$SCRIPTS/.maintain.log
  [ "$MEMEX_LOG" != /dev/null ] || return 0
  [ -w "$SCRIPTS" ] || keep=${MEMEX_LOG%/*}/maintain.log
  if [ -s "$MEMEX_LOG" ]; then
    { printf '== %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$WIKI_DIR" && cat "$MEMEX_LOG"; } 2>/dev/null >>"$keep"
  fi
  rm -f "$MEMEX_LOG"
}

finish() { exit "$WORST"; }

# Busy is worse than done, a failure worse than busy, and then the larger number: usage, a bug, a signal.
worse() { [ "$(severity "$1")" -gt "$(severity "$WORST")" ] && WORST=$1; return 0; }

severity() {
  case $1 in
    0) echo 0 ;;
    75) echo 1 ;;
    *) echo $(($1 + 1)) ;;
  esac
}

stopped() {
  trap '' INT TERM HUP
  if [ -n "$CHILD" ]; then
    kill -TERM "$CHILD" 2>/dev/null
    wait "$CHILD"
  fi
  exit "$1"
}
trap 'stopped 130' INT
trap 'stopped 143' TERM
trap 'stopped 129' HUP
