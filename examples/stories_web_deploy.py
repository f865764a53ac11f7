"""The front end and the deploy pipeline of the same invented ferry line, and four sessions about them."""

from story import Edit, Read, Repo, Run, Story, Turn, Write

BOOKING = """const ATTEMPTS = 3;

export async function book(fetch, sailing, seats) {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await fetch("/bookings", { method: "POST", body: JSON.stringify({ sailing, seats }) });
      if (answer.ok) return await answer.json();
      if (attempt === ATTEMPTS) throw new Error(`booking failed: ${answer.status}`);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
"""

COUNTDOWN = """// "3 days to go" on the ticket.
export function daysToGo(departure) {
  const now = new Date();
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  return Math.floor((departure - today) / 86_400_000);
}
"""

TEST_COUNTDOWN = """import assert from "node:assert";
import test from "node:test";
import { daysToGo } from "../src/countdown.mjs";

test("a sailing in three days is three days away", () => {
  const departure = new Date(Date.now() + 3 * 86_400_000);
  assert.strictEqual(daysToGo(departure), 3);
});
"""

WEB = Repo(
    "web",
    "git@example.com:acme/web.git",
    {
        "README.md": "# web\n\nThe booking page of the ferry line. Tests: `npm test`\n",
        "package.json": '{\n  "private": true,\n  "type": "module",\n  "scripts": {"test": "node --test test/"}\n}\n',
        "src/booking.mjs": BOOKING,
        "src/countdown.mjs": COUNTDOWN,
        "test/countdown.test.mjs": TEST_COUNTDOWN,
    },
)

TEST_DOUBLE = """import assert from "node:assert";
import test from "node:test";
import { book } from "../src/booking.mjs";

test("an answer that is lost on the way does not book twice", async () => {
  const bookings = new Map();
  let calls = 0;
  async function fetch(path, { headers = {} }) {
    calls += 1;
    const key = headers["Idempotency-Key"] ?? calls;
    if (!bookings.has(key)) bookings.set(key, { number: bookings.size + 1 });
    if (calls === 1) throw new TypeError("network lost");
    return { ok: true, status: 200, json: async () => bookings.get(key) };
  }
  await book(fetch, "noon", 2);
  assert.strictEqual(bookings.size, 1);
});
"""

NODE_TEST = "node --test --test-reporter=tap test/ 2>&1 | grep -E '^(not )?ok|^# (pass|fail)|actual:|expected:'"

CHARGED_TWICE = Story(
    "charged-twice",
    "web",
    (
        Turn(
            "2026-04-20T14:02",
            "Some customers are charged twice when the network on the quay is bad. Support says they pressed the "
            "button only "
            "once. Please find out how that can happen.",
            (
                Read("src/booking.mjs"),
                Write(
                    "test/double.test.mjs",
                    TEST_DOUBLE,
                    say="The loop repeats a POST. I'll write a test in which the server stores the booking and its "
                    "answer is lost.",
                ),
                Run(NODE_TEST, "Run the tests"),
            ),
            "Customers are charged twice because `book()` repeats a POST that may already have succeeded: when the "
            "connection drops "
            "after the server has stored the booking, the front end sees a network error and sends the same booking "
            "again. "
            "The button is innocent. `test/double.test.mjs` reproduces it with a server that stores the booking and "
            "loses its answer.",
        ),
        Turn(
            "2026-04-20T14:20",
            "Can't we simply stop retrying in the front end?",
            (Run("grep -rn 'ATTEMPTS' src", "Who else retries"),),
            "Without the retry, double charges would become lost bookings: the customer would see an error although "
            "the seat is "
            "taken. We decided to send an `Idempotency-Key` header with every booking instead. The front end makes "
            "one key per "
            "press of the button with `crypto.randomUUID()` and repeats it on every retry; the API stores the key "
            "beside the "
            "booking and answers a repeated key with the first result.\n\n"
            "The retry policy itself should be narrower: only network errors and the statuses 502, 503 and 504 are "
            "tried again. "
            "A 4xx answer is never retried, because it does not get better by itself.",
        ),
        Turn(
            "2026-04-20T14:31",
            "Agreed, please build the front end part. I want the test to show both: one booking only, and no retry "
            "on 409.",
            (
                Edit(
                    "src/booking.mjs",
                    "const ATTEMPTS = 3;\n\nexport async function book(fetch, sailing, seats) {\n",
                    "const ATTEMPTS = 3;\nconst TRANSIENT = [502, 503, 504];\n\n"
                    "export async function book(fetch, sailing, seats, key = crypto.randomUUID()) {\n"
                    '  const headers = { "Idempotency-Key": key };\n',
                ),
                Edit(
                    "src/booking.mjs",
                    '{ method: "POST", body: JSON.stringify({ sailing, seats }) }',
                    '{ method: "POST", headers, body: JSON.stringify({ sailing, seats }) }',
                ),
                Edit(
                    "src/booking.mjs",
                    "      if (attempt === ATTEMPTS) throw new Error(`booking failed: ${answer.status}`);\n    } "
                    "catch (error) {\n"
                    "      if (attempt === ATTEMPTS) throw error;\n",
                    "      const error = new Error(`booking failed: ${answer.status}`);\n"
                    "      throw Object.assign(error, { final: !TRANSIENT.includes(answer.status) });\n    } catch "
                    "(error) {\n"
                    "      if (error.final || attempt === ATTEMPTS) throw error;\n",
                ),
                Run(
                    "cat >> test/double.test.mjs <<'EOF'\n\n"
                    'test("a conflict is not tried again", async () => {\n'
                    "  let calls = 0;\n"
                    "  const fetch = async () => ({ ok: false, status: 409, calls: ++calls });\n"
                    '  await assert.rejects(book(fetch, "noon", 2), /409/);\n'
                    "  assert.strictEqual(calls, 1);\n"
                    "});\nEOF\n" + NODE_TEST,
                    "Add the second test and run all",
                ),
                Run(
                    "git add -A && git commit -q -m 'Bookings carry an idempotency key' && git log --oneline -1",
                    "Commit",
                ),
            ),
            "The front end now sends one `Idempotency-Key` per booking and repeats it on every retry, and both tests "
            "pass. "
            "The API must deploy its half first: as long as the API ignores the header, a lost answer still books "
            "twice. "
            "`crypto.randomUUID()` exists only in secure contexts, so the booking page has to be served over HTTPS "
            "on test "
            "systems too.",
        ),
    ),
)

FIXED_COUNTDOWN = """// "3 days to go" on the ticket: calendar days at the port, not spans of 24 hours.
const calendarDay = (date, timeZone) =>
  Date.parse(new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" }).format(date));

export function daysToGo(departure, now, timeZone = "Europe/Berlin") {
  return Math.round((calendarDay(departure, timeZone) - calendarDay(now, timeZone)) / 86_400_000);
}
"""

FIXED_TEST_COUNTDOWN = """import assert from "node:assert";
import test from "node:test";
import { daysToGo } from "../src/countdown.mjs";

test("the morning after tomorrow is two days away, however late it is", () => {
  assert.strictEqual(daysToGo(new Date("2026-05-06T06:00Z"), new Date("2026-05-04T21:30Z")), 2);
});

test("the night of the time change does not swallow a day", () => {
  assert.strictEqual(daysToGo(new Date("2026-03-30T06:00Z"), new Date("2026-03-28T12:00Z")), 2);
});
"""

COUNTDOWN_AT_NIGHT = Story(
    "countdown-at-night",
    "web",
    (
        Turn(
            "2026-05-04T10:15",
            "The countdown on the ticket was off by one on the night of the time change, although its test is green. "
            "It smells "
            "like the flaky retry test we had in the api repository.",
            (
                Read("src/countdown.mjs"),
                Read("test/countdown.test.mjs"),
                Run(
                    "TZ=Europe/Berlin node -e 'const a = new Date(2026, 2, 28), b = new Date(2026, 2, 30); "
                    'console.log("hours between:", (b - a) / 3600000, "days by floor:", Math.floor((b - a) / '
                    "86400000))'",
                    "Two calendar days across the time change",
                ),
            ),
            "It is the same mistake as in the api repository: `daysToGo()` reads the real clock, so its test can "
            "only ever check "
            "today. The countdown is off by one because it divides by 24 hours: the two days from 28 to 30 March "
            "have only 47 "
            "hours in Europe/Berlin, and `Math.floor` makes one day of them. It also counts in the time zone of the "
            "customer's "
            "phone instead of the port's, which is wrong for anyone who books from abroad.",
        ),
        Turn(
            "2026-05-04T10:29",
            "Then let's do what we did there: pass the clock in. And days should be calendar days at the port.",
            (
                Write("src/countdown.mjs", FIXED_COUNTDOWN),
                Write("test/countdown.test.mjs", FIXED_TEST_COUNTDOWN),
                Run(NODE_TEST, "Run the tests"),
                Run(
                    "for zone in UTC Pacific/Auckland America/Los_Angeles; do TZ=$zone npm test --silent >/dev/null "
                    "2>&1 && echo $zone ok; done",
                    "Run them in other time zones",
                ),
            ),
            "`daysToGo(departure, now, timeZone)` now takes the clock as a parameter and counts calendar days in the "
            "time zone of "
            "the port. We decided against a date library: `Intl.DateTimeFormat` with the locale `en-CA` prints ISO "
            "dates for any "
            "time zone and is part of Node and of every browser we support. The tests pass under UTC, "
            "Pacific/Auckland and "
            "America/Los_Angeles.",
        ),
        Turn(
            "2026-05-04T10:47",
            "Nice. Make npm test always run in two time zones, I prefer to find such things before the night does. "
            "Then commit.",
            (
                Read("package.json"),
                Edit(
                    "package.json",
                    '"node --test test/"',
                    '"TZ=UTC node --test test/ && TZ=Pacific/Auckland node --test test/"',
                ),
                Run(
                    "npm test --silent >/dev/null 2>&1 && echo green in both zones; git add -A && git commit -q -m "
                    "'Countdown in calendar days at the port' && git log --oneline -1",
                    "Run and commit",
                ),
            ),
            "`npm test` now runs every test under `TZ=UTC` and under `TZ=Pacific/Auckland`, which are far enough "
            "apart that code "
            "using the local day by accident fails in one of them. A test that fails only at night nearly always "
            "reads the real "
            "clock or the local time zone; both belong into parameters.",
        ),
    ),
)

DEPLOY_SH = """#!/bin/sh
# deploy.sh RELEASE: puts releases/RELEASE live.
release=$1
rm -f current
ln -s "releases/$release" current
python3 "releases/$release/migrate.py" data.db
echo "deployed $release"
"""

MIGRATE_1 = """import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("CREATE TABLE IF NOT EXISTS bookings (id INTEGER PRIMARY KEY, name TEXT)")
"""

APP_13 = """import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT id, name FROM bookings").fetchall())
"""

DEPLOY = Repo(
    "deploy",
    "git@example.com:acme/deploy.git",
    {
        ".gitignore": "data.db*\ncurrent\nprevious\n",
        "README.md": "# deploy\n\nPuts a release of the api on its one host: `./deploy.sh RELEASE`\n",
        "deploy.sh": DEPLOY_SH,
        "releases/v13/migrate.py": MIGRATE_1,
        "releases/v13/app.py": APP_13,
    },
)

NEW_DEPLOY_SH = """#!/bin/sh
# Usage: deploy.sh [--dry-run] RELEASE
# Migrate, check, switch, in this order; the old release stays live until the new one has answered.
set -eu
dry=; [ "$1" = --dry-run ] && { dry=echo; shift; }
release=$1
$dry python3 "releases/$release/migrate.py" data.db
$dry python3 "releases/$release/app.py" data.db
[ -L current ] && $dry ln -sfn "$(readlink current)" previous
$dry ln -s "releases/$release" current.new
$dry python3 -c 'import os; os.replace("current.new", "current")'
echo "deployed $release"
"""

DEPLOY_ORDER = Story(
    "deploy-order",
    "deploy",
    (
        Turn(
            "2026-04-23T16:10",
            "The deploy at noon gave us two minutes of errors, although the release itself was fine. Look at "
            "deploy.sh and tell "
            "me what our deploy pipeline does wrong.",
            (
                Run("cat deploy.sh && ls releases/*", "Read the script"),
                Run(
                    "mkdir -p releases/broken && echo 'import sys; sys.exit(\"migration failed\")' > "
                    "releases/broken/migrate.py; "
                    "sh deploy.sh v13; sh deploy.sh broken; readlink current; rm -r releases/broken",
                    "Deploy a release whose migration fails",
                    say="I'll deploy a release with a failing migration to see what stays behind.",
                ),
            ),
            "The deploy pipeline switches to the new release before it migrates the database, so new code runs "
            "against the old "
            "schema until the migration is done; that explains the two minutes of errors. It also ignores failures: "
            "with a broken "
            "migration `deploy.sh` still printed `deployed broken` and left the broken release live. And `rm -f "
            "current` followed "
            "by `ln -s` leaves a moment in which no release is live at all.",
        ),
        Turn(
            "2026-04-23T16:25",
            "Rewrite it then. I always want `set -eu` at the top of shell scripts, and every script that changes a "
            "server "
            "needs a --dry-run.",
            (
                Read("deploy.sh"),
                Write("deploy.sh", NEW_DEPLOY_SH),
                Run(
                    "sh -n deploy.sh && sh deploy.sh --dry-run v13 && sh deploy.sh v13 && readlink current",
                    "Dry run, then a real one",
                ),
            ),
            "We decided on the order migrate, check, switch: the old release stays live until the migration is done "
            "and the new "
            "release has answered once. The switch is atomic now, because `os.replace` renames the new symlink over "
            "the old one; "
            "`ln -sfn` is not atomic, since it removes the old link first, and `mv -T` exists only on Linux. "
            "`deploy.sh` starts with `set -eu`, has a `--dry-run`, and remembers the last release in the link "
            "`previous`.",
        ),
        Turn(
            "2026-04-23T16:52",
            "And how do we roll back?",
            (
                Write(
                    "rollback.sh",
                    "#!/bin/sh\n# Usage: rollback.sh\n# Makes the release before this one live again. The database "
                    "stays as it is.\nset -eu\n"
                    'exec "$(dirname "$0")/switch.sh" "$(readlink previous)"\n',
                ),
                Run(
                    'printf \'#!/bin/sh\\nset -eu\\nln -s "$1" current.new\\npython3 -c "import os; '
                    'os.replace(\\\\"current.new\\\\", \\\\"current\\\\")"\\n\' > switch.sh; '
                    "chmod +x *.sh; sh deploy.sh v13 >/dev/null && ./rollback.sh && readlink current; "
                    "git add -A && git commit -q -m 'Migrate before the switch; rollback' && git log --oneline -1",
                    "Try a rollback and commit",
                ),
            ),
            "`rollback.sh` makes the release in `previous` live again with the same atomic switch, in well under a "
            "second. "
            "It does not undo a migration, so a rollback only works while the old release can live with the new "
            "schema. "
            "That makes a rule for the api: a migration must never remove or rename anything that the release before "
            "it still uses.",
        ),
    ),
)

MIGRATE_14 = """import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
db.execute("ALTER TABLE bookings RENAME COLUMN name TO passenger")
"""

MIGRATE_14_EXPAND = """# Expand: the new column stands beside the old one; v15 may drop the old one when v13 is gone.
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
columns = [row[1] for row in db.execute("PRAGMA table_info(bookings)")]
if "passenger" not in columns:
    db.execute("ALTER TABLE bookings ADD COLUMN passenger TEXT")
    db.execute("UPDATE bookings SET passenger = name")
db.execute("COMMIT")
"""

FAILED_ROLLBACK = Story(
    "failed-rollback",
    "deploy",
    (
        Turn(
            "2026-05-08T11:03",
            "The rollback from v14 to v13 failed today: v13 died with 'no such column: name'. Reproduce it here and "
            "explain.",
            (
                Write("releases/v14/migrate.py", MIGRATE_14),
                Run(
                    "python3 releases/v13/migrate.py data.db && python3 releases/v14/migrate.py data.db && python3 "
                    "releases/v13/app.py data.db 2>&1 | tail -1"
                ),
            ),
            "The rollback failed because the migration of v14 renames the column `name` to `passenger`, and v13 "
            "still selects "
            "`name`. The deploy pipeline itself did what it should: `rollback.sh` switches the code back and leaves "
            "the database "
            "alone. The rule from April was broken: a migration must never remove or rename anything that the "
            "release before it "
            "still uses.",
        ),
        Turn(
            "2026-05-08T11:20",
            "How do other teams rename a column then? Write the migration the right way, please.",
            (
                Run("rm -f data.db*"),
                Write("releases/v14/migrate.py", MIGRATE_14_EXPAND),
                Run(
                    "for release in v13 v14 v14; do python3 releases/$release/migrate.py data.db; done; python3 "
                    "releases/v13/app.py data.db && echo v13 still runs"
                ),
            ),
            "We decided on expand and contract for every schema change: one release adds the new column beside the "
            "old one and "
            "fills it, the next release reads and writes only the new one, and a later release drops the old column "
            "when nobody can "
            "roll back to it any more. The migration of v14 now adds `passenger` and leaves `name` in place, so v13 "
            "still runs "
            'after it.\n\nThe migration begins with `BEGIN IMMEDIATE`, as the api does since the "database is '
            'locked" incident: '
            "it takes the SQLite write lock first and waits for running bookings instead of failing halfway. It can "
            "be repeated "
            "safely, because it looks at `PRAGMA table_info` before it adds the column.",
        ),
        Turn(
            "2026-05-08T11:41",
            "Good. Can the pipeline refuse a migration that would break the rollback?",
            (
                Write(
                    "check_rollback.py",
                    '"""check_rollback.py OLD NEW: migrates a fresh database to NEW and runs OLD against it."""\n'
                    "import subprocess\nimport sys\nimport tempfile\n\nold, new = sys.argv[1:3]\n"
                    "db = tempfile.mkdtemp() + '/data.db'\n"
                    "for step in (f'{old}/migrate.py', f'{new}/migrate.py', f'{old}/app.py'):\n"
                    "    if subprocess.run([sys.executable, f'releases/{step}', db], "
                    "stdout=subprocess.DEVNULL).returncode:\n"
                    "        sys.exit(f'{step} fails: no way back from {new} to {old}')\n"
                    "print(f'{new} can be rolled back to {old}')\n",
                ),
                Run(
                    "python3 check_rollback.py v13 v14 && git add -A && git commit -q -m 'Check the way back before "
                    "every deploy' && git log --oneline -1"
                ),
            ),
            "`check_rollback.py` migrates a fresh database to the new release and then runs the old release against "
            "it; the deploy "
            "pipeline should call it before every switch. It says `v14 can be rolled back to v13` for the new "
            "migration and fails "
            "for the rename. Its limit is that it starts with an empty database, so it does not notice a migration "
            "that is too "
            "slow for the real one.",
        ),
    ),
    agent="codex",
    model="gpt-5.4",
)
