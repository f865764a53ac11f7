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
project=() sessions=() model=() dry=()
while (($#)); do
  case $1 in
    --extract-only) summarize=0 index=0 ;;
    --summarize-only) extract=0 index=0 ;;
    --index-only) extract=0 summarize=0 ;;
    --project | --sessions | --backend)
      (($# > 1)) || usage_error "$1 needs a value"
      case $1 in
        --project) project=(--project "$2") ;;
        --sessions) sessions+=(--sessions "$2") ;;
        --backend) model=(--backend "$2") ;;
      esac
      shift ;;
    --claude) model=(--claude) ;;
    --dry-run) dry=(--dry-run) ;;
    -h | --help) usage; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done

environment
run_locked
((extract)) && phase "extract" "$SCRIPTS/extract-sessions.py" ${project[@]+"${project[@]}"} ${sessions[@]+"${sessions[@]}"} ${dry[@]+"${dry[@]}"}
((extract && summarize)) && first_look
((summarize)) && phase "summarise" "$SCRIPTS/summarize-conversations.py" ${project[@]+"${project[@]}"} ${model[@]+"${model[@]}"} ${dry[@]+"${dry[@]}"}
((index)) && phase "index" "$SCRIPTS/update-conversation-index.py" ${dry[@]+"${dry[@]}"}
finish
