#!/usr/bin/env bash
# Purpose: how many calls of debit_user_credits and record_llm_request a server answers, at each
#          schema version, beside the same work as separate statements: 8 clients on 10,000 users
#          and on one user, over the socket and over TCP with 0.5 ms added, on one throw-away
#          server with fsync on, in interleaved rounds.
# Usage:   ci/bench-functions.sh [ROUNDS [SECONDS]]   rounds (3), and how long each run takes (3);
#          prints a table, then JSON
# Environment: CREDITDB_PG_BIN, CREDITDB_PG_CACHE   see ci/postgres.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ci_dir/bench/server.sh"
cd "$repo_root"

rounds=${1:-3} seconds=${2:-3}
for number in "$rounds" "$seconds"; do
  case $number in
    '' | *[!0-9]* | 0)
      say 'ROUNDS and SECONDS are numbers above 0; usage: ci/bench-functions.sh [ROUNDS [SECONDS]]'
      exit 2
      ;;
  esac
done
prepare_bench
[ -x "$bin/pgbench" ] || bin=$(ci/postgres.sh "${all_majors##* }")

rustc --edition 2024 -O -o "$work/delay" "$ci_dir/bench/delay.rs"
start_server "$bin" "$work"
python3 "$ci_dir/bench/functions.py" --work "$work" --port "$port" --bin "$bin" \
  --creditdb "$program" --rounds "$rounds" --seconds "$seconds"
