# shellcheck shell=sh
# Sourced by the hooks beside it. Plain sh and awk: a hook must answer in under 100 ms on a machine where nothing
# of this project is installed, and a slow or broken hook would be killed and forgotten without a word.

hook_name=${0##*/}
hook_dir=$(cd "$(dirname "$0")" && pwd -P)
wiki=${WIKI_DIR:-$(dirname "$(dirname "$hook_dir")")}

case "${1:-}" in
  -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

hook_warn() { printf '%s: %s\n' "$hook_name" "$1" >&2; }

# Inside a model call that this wiki made itself a hook has nothing to say and nothing to note: it would feed on itself.
if [ -n "${MEMEX_QUESTION:-}" ]; then
  [ -t 0 ] || cat >/dev/null
  hook_warn "inside a model call of this wiki's own; nothing said, nothing noted"
  exit 0
fi

hook_paused() { grep -qs '^paused:[[:space:]]*true' "$wiki/wiki.yaml"; }

# What the agent says about its session: one JSON object. Bytes that are not UTF-8 are dropped, so that whatever is
# copied from it can stand in a JSON file. At most 1 MB: nothing a hook is told is longer.
hook_stdin() {
  [ -t 0 ] && return 0
  if command -v iconv >/dev/null 2>&1; then
    head -c 1048576 | tr '\000\r\n' '   ' | iconv -c -f UTF-8 -t UTF-8 2>/dev/null
  else
    head -c 1048576 | tr '\000\r\n' '   ' | tr -d '\200-\377'
  fi
  return 0
}

# json_fields NAME...: reads a JSON object on stdin and prints a line for each name: its string as it stands between the
# quotes, escapes included, and so ready to be put between quotes again; an empty line where there is none. Quotes inside
# a JSON string are escaped, so "name" followed by a colon can only be a key.
json_fields() {
  LC_ALL=C awk -v names="$*" '
    function literal(name,    at, rest) {
      if (!match(text, "\"" name "\"[ \t]*:[ \t]*\"")) return ""
      rest = substr(text, RSTART + RLENGTH)
      at = match(rest, /^([^"\\\001-\037]|\\["\\\/bfnrt]|\\u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])*"/)
      return at ? substr(rest, 1, RLENGTH - 1) : ""
    }
    { text = text $0 " " }
    END { n = split(names, wanted, " "); for (i = 1; i <= n; i++) print literal(wanted[i]) }'
}

# json_escape: turns the text on stdin into the inside of a JSON string; newlines at its end are left out.
# split and join instead of gsub for all but the backslash: awks disagree on backslashes in a replacement.
json_escape() {
  tr -d '\000' | LC_ALL=C awk '
    function swap(s, old, new,    n, parts, i, out) {
      if (!index(s, old)) return s
      n = split(s, parts, old)
      out = parts[1]
      for (i = 2; i <= n; i++) out = out new parts[i]
      return out
    }
    BEGIN { for (i = 1; i < 32; i++) control[i] = sprintf("%c", i) }
    NR > 1 { breaks = breaks "\\n" }
    $0 == "" { next }
    {
      gsub(/\\/, "&&")
      line = swap($0, "\"", "\\\"")
      if (line ~ /[\001-\037]/)
        for (i = 1; i < 32; i++) if (i != 10) line = swap(line, control[i], sprintf("\\u%04x", i))
      printf "%s%s", breaks, line
      breaks = ""
    }'
}

# capture KIND: drops one file into the inbox that says what happened, for the next mining to learn from. It appears
# whole or not at all, under a name of its own: a hundred at once are a hundred files.
capture() {
  hook_paused && return 0
  if [ ! -d "$wiki" ]; then
    hook_warn "$wiki: no wiki there, nothing noted; scripts/mine-conversations.sh makes one"
    return 0
  fi
  inbox=$wiki/context/inbox
  name=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  { mkdir -p "$inbox" && event "$1" >"$inbox/.$name.tmp" && mv "$inbox/.$name.tmp" "$inbox/$name.json"; } 2>/dev/null &&
    return 0
  rm -f "$inbox/.$name.tmp"
  hook_warn "$inbox: could not write there, the end of this session is not noted; it is mined all the same"
}

# `, "bytes": N` of a session file that is there (its path as it stands in JSON), so that one that vanishes before it was
# mined is missed; nothing where there is none: a session that was opened and closed without a word leaves no file.
bytes_of() {
  file=$(printf '%s' "$1" | sed 's/\\\(["\\\/]\)/\1/g')
  [ -s "$file" ] && printf ', "bytes": %d' "$(wc -c <"$file")"
}

# event KIND: the content of that file, made from the hook's stdin.
event() {
  hook_stdin | json_fields session_id transcript_path cwd text custom_instructions | {
    IFS= read -r session_id
    IFS= read -r transcript_path
    IFS= read -r cwd
    IFS= read -r text
    IFS= read -r instructions
    printf '{"kind": "%s", "session_id": "%s", "transcript_path": "%s", "cwd": "%s", "text": "%s", "time": "%s"%s}\n' \
      "$1" "$session_id" "$transcript_path" "$cwd" "${text:-$instructions}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
      "$(bytes_of "$transcript_path")"
  }
}
