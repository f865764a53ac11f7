#!/usr/bin/env bash
# Usage: wiki-sync.sh full | [--commit] [--pull] [--push] | --status      [--remote URL]
#
# The same wiki on every machine: commit, pull, settle, push, reindex (which is what `full` does). What two machines both
# changed is merged by its meaning, page by page and message by message; nobody is asked and nothing is dropped.
#
#   full          commit, merge what the other machines pushed, push, and bring the search index up to date
#   --commit      commit what changed in the data folders: what the programs wrote and what you wrote; nothing elsewhere
#   --pull        commit, then merge what the remote has
#   --push        commit, then push; when another machine was quicker, merge and push again
#   --status      how things stand, by what is known here; writes nothing and asks no network
#   --remote URL  the remote of this wiki from now on: a private one, for these are your conversations. Nothing is ever
#                 pushed to `origin`, which is where the program came from.
#
# Without a remote or a network the work is committed here and not pushed; the next sync makes up for it.
. "$(dirname "$0")/wiki_lib.sh"

verbs=() reindex=0 status=0
while (($#)); do
  case $1 in
    full | --full)
      verbs+=(--commit --pull --push)
      reindex=1 ;;
    --commit | --pull | --push) verbs+=("$1") ;;
    --status) status=1 ;;
    --remote)
      (($# > 1)) || misused "--remote needs a URL"
      verbs+=(--remote "$2")
      shift ;;
    -h | --help) usage; exit 0 ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done
((status || ${#verbs[@]})) || misused "nothing to do: name full, --commit, --pull, --push, --status or --remote URL"

environment
((status)) && exec "$PYTHON" "$SCRIPTS/wiki-settle.py" --status
[ "${MEMEX_RUN_FOR:-}" != "$WIKI_DIR" ] || verbs+=(--quiet)      # as a part of a nightly run, a remote that is away is no news
# The run lock is taken in there: one start of Python less, and only the index is left to do without it.
phase "sync" "$PYTHON" "$SCRIPTS/wiki-settle.py" "${verbs[@]}" || reindex=$((WORST == 75 ? 0 : reindex))
((reindex)) && [ -x "$SCRIPTS/wiki-search.py" ] && phase "reindex" "$PYTHON" "$SCRIPTS/wiki-search.py" --update
finish
