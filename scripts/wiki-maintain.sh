#!/usr/bin/env bash
# Usage: wiki-maintain.sh [--full] [--dry-run] [--project CODE] [--sessions DIR]... [--claude | --backend NAME]
#                         [--no-mine] [--no-distill] [--no-harvest] [--no-reindex]
#                         [--distill-only | --harvest-only | --hygiene-only] [--distill-first-run]
#
# The main job, for cron or by hand: 0 mine, 1a distill, 1b harvest, 2 hygiene, 3 reindex.
# Distill goes before harvest so that conversations shape the pages and URLs only fill in what they left out.
# A failed phase does not stop the next; the worst status is returned. A second run at the same time leaves with 75.
#
#   --full               hygiene's checks that ask a model, too (for once a week)
#   --dry-run            say what would be done and write nothing
#   --project CODE       mine and distill only this wing
#   --sessions DIR       sessions from DIR instead of the agents' own folders (may be repeated), such as examples/sessions
#   --claude             summarise with the claude CLI; --backend NAME names claude, llama-server, agent or extractive
#   --no-X               leave phase X out
#   --X-only             only phase X, then 3
#   --distill-first-run  distill as on the first night: the last days before the newest conversation
. "$(dirname "$0")/wiki_lib.sh"

mine=1 distill=1 harvest=1 hygiene=1 reindex=1
full=() dry=() project=() sessions=() model=() first=() arguments=("$@")
while (($#)); do
  case $1 in
    --full) full=(--full) ;;
    --dry-run) dry=(--dry-run) ;;
    --no-mine) mine=0 ;;
    --no-distill) distill=0 ;;
    --no-harvest) harvest=0 ;;
    --no-reindex) reindex=0 ;;
    --distill-only) mine=0 harvest=0 hygiene=0 ;;
    --harvest-only) mine=0 distill=0 hygiene=0 ;;
    --hygiene-only) mine=0 distill=0 harvest=0 ;;
    --distill-first-run) first=(--first-run) ;;
    --project | --sessions | --backend)
      (($# > 1)) || misused "$1 needs a value"
      case $1 in
        --project) project=(--project "$2") ;;
        --sessions) sessions+=(--sessions "$2") ;;
        --backend) model=(--backend "$2") ;;
      esac
      shift ;;
    --claude) model=(--claude) ;;
    -h | --help) usage; exit 0 ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done

run_locked ${arguments[@]+"${arguments[@]}"}
begin_log
((mine)) && phase "0 mine" "$SCRIPTS/mine-conversations.sh" ${project[@]+"${project[@]}"} ${sessions[@]+"${sessions[@]}"} ${model[@]+"${model[@]}"} ${dry[@]+"${dry[@]}"}
((distill)) && phase "1a distill" "$SCRIPTS/wiki-distill.py" ${project[@]+"${project[@]}"} ${first[@]+"${first[@]}"} ${dry[@]+"${dry[@]}"}
((harvest)) && note "-- 1b harvest: fetching cited pages comes later; nothing is fetched yet"
((hygiene)) && phase "2 hygiene" "$SCRIPTS/wiki-hygiene.py" ${full[@]+"${full[@]}"} ${dry[@]+"${dry[@]}"}
if ((reindex)) && [ ${#dry[@]} -eq 0 ]; then
  phase "3 reindex" "$SCRIPTS/wiki-search.py" --update
fi
# What a person can act on; a night with nothing to say stays silent.
if [ -t 1 ] || [ -s "$MEMEX_LOG" ]; then
  "$SCRIPTS/wiki-status.py" --after "$MEMEX_LOG" --seconds "$SECONDS"
fi
end_log
finish
