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
source "$ci_dir/bench/server.sh"
source "$ci_dir/bench/tools.sh"
cd "$repo_root"

rounds=${1:-7}
case $rounds in
  '' | *[!0-9]* | 0)
    say "ROUNDS is a number above 0; usage: ci/bench-migrate.sh [ROUNDS]"
    exit 2
    ;;
esac
prepare_bench --release

install_tools "$work/tools.tsv" "$bin"

# Not every tool speaks over a unix socket, so all of them take the same way, TCP on the loopback.
start_server "$bin" "$work"

PSQL=$(command -v psql || echo "$bin/psql")
[ -x "$bin/psql" ] && PSQL=$bin/psql
export PSQL
python3 "$ci_dir/bench/measure.py" --work "$work" --port "$port" --rounds "$rounds" \
  --creditdb "$program" --tools "$work/tools.tsv"
