#!/usr/bin/env bash
# Purpose: how long a whole audit takes on a large ledger, beside five queries that a person would
#          write by hand, and beside merely reading the columns (the floor); and what writers notice
#          of it. One throw-away server, one run, interleaved rounds, medians. Judge ratios only.
# Usage:   ci/bench-verify.sh [ROWS [ROUNDS]]   entries and log rows of each (400000), rounds (5)
#          ci/bench-verify.sh 4000000           what the README quotes; takes 10 GB and some minutes
# Environment: CREDITDB_PG_BIN, CREDITDB_PG_CACHE   see ci/postgres.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo_root"

rows=${1:-400000}
rounds=${2:-5}
case $rows$rounds in
  *[!0-9]*)
    say 'ROWS and ROUNDS are numbers; usage: ci/bench-verify.sh [ROWS [ROUNDS]]'
    exit 2
    ;;
esac
command -v python3 >/dev/null || fail 'the measuring takes python3'

unset DATABASE_URL "${!PG@}"
bin=$(ci/postgres.sh)
program=$(cargo_program build --release --locked)
[ -x "$program" ] || fail "the build made no creditdb"
tools=$bin
[ -x "$bin/psql" ] || tools=$(dirname "$(command -v psql)") || fail 'there is no psql'

work=$(mktemp -d "${TMPDIR:-/tmp}/creditdb-bench.XXXXXX")
server=
finish() {
  local status=$?
  if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

# As root, the server runs as another account, which must own its folder.
account=()
mkdir "$work/server"
if is_root; then
  name=postgres
  id "$name" >/dev/null 2>&1 || name=nobody
  account=(setpriv --reuid "$name" --regid "$(id -g "$name")" --clear-groups)
  chmod 755 "$work"
  chown "$name" "$work/server"
fi
cd /
"${account[@]}" "$bin/initdb" -A trust -U postgres -E UTF8 --locale=C.UTF-8 \
  -D "$work/server/data" >"$work/initdb.log" 2>&1 || {
  cat "$work/initdb.log" >&2
  fail 'initdb failed'
}
# A cache that holds the ledger: the work is measured, not the disk of this machine.
"${account[@]}" "$bin/postgres" -D "$work/server/data" -k "$work/server" \
  -c listen_addresses= -c shared_buffers=4GB -c max_wal_size=16GB -c fsync=off \
  >"$work/server.log" 2>&1 &
server=$!
cd "$repo_root"

python3 "$ci_dir/bench/verify.py" --work "$work" --rows "$rows" --rounds "$rounds" \
  --creditdb "$program" --tools "$tools"
