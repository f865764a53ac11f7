#!/usr/bin/env bash
# Usage: wiki-cron.sh
#
# Prints the crontab lines that keep this wiki, for you to add with `crontab -e`: transcripts every hour (no model, so that
# nothing is deleted upstream before it was read), the whole job every night, the long checks once a week, and after each
# the sync (it commits, and pushes only to a remote you named). The minute is this machine's own, so that several machines
# do not push at the same moment.
. "$(dirname "$0")/wiki_lib.sh"

case ${1:-} in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) misused "unknown option $1" ;;
esac

environment
minute=$(($(printf '%s' "$(uname -n)$WIKI_DIR" | cksum | cut -d ' ' -f 1) % 50 + 5))
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g; s/%/\\\\%/g")"; }      # cron reads a bare % as a line's end

# cron knows none of these; whoever moved a folder has it moved there, too.
job="WIKI_DIR=$(quoted "$WIKI_DIR")"
for name in CLAUDE_CONFIG_DIR CODEX_HOME XDG_CACHE_HOME XDG_CONFIG_HOME; do
  [ -z "${!name:-}" ] || job="$job $name=$(quoted "${!name}")"
done
job="$job $(quoted "$SCRIPTS")"

say "# memex: the memory in $WIKI_DIR"
say "PATH=$PATH"
# The hourly lines leave out the hour of the nightly ones: they share a lock, and the night must not lose it.
say "$minute 0-2,4-23 * * *  $job/mine-conversations.sh --extract-only >/dev/null"
say "$minute 3 * * 1-6  $job/wiki-maintain.sh; $job/wiki-sync.sh full"
say "$minute 3 * * 0  $job/wiki-maintain.sh --full; $job/wiki-sync.sh full"
