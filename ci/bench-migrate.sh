#!/usr/bin/env bash
# Purpose: how long 100 migrations take on an empty database, and the run that finds nothing to
#          do: creditdb beside dbmate, sqlx-cli, refinery_cli and sqitch, in one run, on one
#          throw-away server with fsync on, in interleaved rounds.
# Usage:   ci/bench-migrate.sh [ROUNDS]     rounds of each (7); prints a table, then JSON
# A tool that cannot be installed here is named, with the reason, and left out.
# Environment: CREDITDB_BENCH_CACHE   where the other tools are built and kept
#              CREDITDB_PG_BIN, CREDITDB_PG_CACHE   see ci/postgres.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ci_dir/bench/tools.sh"
cd "$repo_root"

rounds=${1:-7}
case $rounds in
  '' | *[!0-9]* | 0)
    say "ROUNDS is a number above 0; usage: ci/bench-migrate.sh [ROUNDS]"
    exit 2
    ;;
esac
command -v python3 >/dev/null || fail 'the measuring takes python3'

unset DATABASE_URL "${!PG@}"
bin=$(ci/postgres.sh)
program=$(cargo_program build --release --locked)
[ -x "$program" ] || fail "the build made no creditdb"

work=$(mktemp -d "${TMPDIR:-/tmp}/creditdb-bench.XXXXXX")
server=
finish() {
  local status=$?
  if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

install_tools "$work/tools.tsv" "$bin"

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
# Not every tool speaks over a unix socket, so all of them take the same way, TCP on the loopback.
port=$(python3 -c '
import socket
with socket.socket() as any:
    any.bind(("127.0.0.1", 0))
    print(any.getsockname()[1])')
cd /
"${account[@]}" "$bin/initdb" -A trust -U postgres -E UTF8 --locale=C.UTF-8 \
  -D "$work/server/data" >"$work/initdb.log" 2>&1 || {
  cat "$work/initdb.log" >&2
  fail 'initdb failed'
}
"${account[@]}" "$bin/postgres" -D "$work/server/data" -k "$work/server" -p "$port" \
  -c listen_addresses=127.0.0.1 -c fsync=on >"$work/server.log" 2>&1 &
server=$!
cd "$repo_root"

PSQL=$(command -v psql || echo "$bin/psql")
[ -x "$bin/psql" ] && PSQL=$bin/psql
export PSQL
python3 "$ci_dir/bench/measure.py" --work "$work" --port "$port" --rounds "$rounds" \
  --creditdb "$program" --tools "$work/tools.tsv"
