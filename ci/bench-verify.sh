#!/usr/bin/env bash
# Purpose: how long a whole audit takes on a large ledger, beside five queries that a person would
#          write by hand, and beside merely reading the columns (the floor); how long the audit of
#          a second night takes, after 1 % new rows; and what writers notice of it. One throw-away
#          server, one run, interleaved rounds, medians. Judge ratios only.
# Usage:   ci/bench-verify.sh [ROWS [ROUNDS]]   entries and log rows of each (400000), rounds (5);
#                                               several sizes, with commas, show the growth
#          ci/bench-verify.sh 400000,4000000,16000000   what the README quotes; takes 40 GB and
#                                                       most of an hour
# Environment: CREDITDB_PG_BIN, CREDITDB_PG_CACHE   see ci/postgres.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ci_dir/bench/server.sh"
cd "$repo_root"

rows=${1:-400000}
rounds=${2:-5}
case $rows$rounds in
  *[!0-9,]*)
    say 'ROWS and ROUNDS are numbers; usage: ci/bench-verify.sh [ROWS [ROUNDS]]'
    exit 2
    ;;
esac
prepare_bench --release
tools=$bin
[ -x "$bin/psql" ] || tools=$(dirname "$(command -v psql)") || fail 'there is no psql'

# A cache that holds the ledger, as far as this machine can: the work is measured, not the disk.
half_of_memory=$(awk '/^MemTotal:/ { print int($2 / 2) "kB" }' /proc/meminfo)
start_server "$bin" "$work" -c shared_buffers="$half_of_memory" -c max_wal_size=16GB -c fsync=off

python3 "$ci_dir/bench/verify.py" --work "$work" --port "$port" --rows "$rows" --rounds "$rounds" \
  --creditdb "$program" --tools "$tools"
