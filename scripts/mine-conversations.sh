#!/usr/bin/env bash
# Usage: mine-conversations.sh [--extract-only | --summarize-only | --index-only] [--project CODE] [--dry-run]
#                              [--sessions DIR]... [--claude | --backend NAME]
#
# Turns agent sessions into conversations: extract (no model), summarise, index.
#
#   --extract-only     only the verbatim transcripts
#   --summarize-only   only the summaries of transcripts that are new or grew
#   --index-only       only conversations/index.md, the wake-up and the search index
#   --project CODE     only this wing
#   --sessions DIR     sessions from DIR instead of the agents' own folders (may be repeated)
#   --claude           summarise with the claude CLI; --backend NAME names claude, llama-server, agent or extractive
#   --dry-run          say what would be done and write nothing
. "$(dirname "$0")/wiki_lib.sh"

extract=1 summarize=1 index=1
project=() sessions=() model=() dry=() arguments=("$@")
while (($#)); do
  case $1 in
    --extract-only) summarize=0 index=0 ;;
    --summarize-only) extract=0 index=0 ;;
    --index-only) extract=0 summarize=0 ;;
    --project | --sessions | --backend)
      (($# > 1)) || misused "$1 needs a value"
      case $1 in
        --project) project=(--project "$2") ;;
        --sessions) sessions+=(--sessions "$2") ;;
        --backend) model=(--backend "$2") ;;
      esac
      shift ;;
    --claude) model=(--claude) ;;
    --dry-run) dry=(--dry-run) ;;
    -h | --help) usage; exit 0 ;;
    *) misused "unknown option $1" ;;
  esac
  shift
done

run_locked ${arguments[@]+"${arguments[@]}"}
known=$(find "$WIKI_DIR/conversations" -name '*-*.md' 2>/dev/null | head -n 1)
((extract)) && phase "extract" "$SCRIPTS/extract-sessions.py" ${project[@]+"${project[@]}"} ${sessions[@]+"${sessions[@]}"} ${dry[@]+"${dry[@]}"}
# The very first time a person sees what was found before any of it could be sent to a model.
if ((extract && summarize)) && [ -z "$known" ] && [ -t 1 ] && [ ${#dry[@]} -eq 0 ]; then
  phase "wings" "$SCRIPTS/wiki-status.py" --wings
fi
((summarize)) && phase "summarise" "$SCRIPTS/summarize-conversations.py" ${project[@]+"${project[@]}"} ${model[@]+"${model[@]}"} ${dry[@]+"${dry[@]}"}
((index)) && phase "index" "$SCRIPTS/update-conversation-index.py" ${dry[@]+"${dry[@]}"}
finish
