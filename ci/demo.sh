#!/usr/bin/env bash
# Purpose: the whole tour from a clean clone: get a PostgreSQL, build creditdb, run its demo.
# Usage:   ci/demo.sh [ARGUMENT...]      the arguments go to `creditdb demo`
# Environment: CREDITDB_PG_BIN, CREDITDB_PG_CACHE   see ci/postgres.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo_root"

CREDITDB_PG_BIN=$(ci/postgres.sh)
export CREDITDB_PG_BIN
say "PostgreSQL from $CREDITDB_PG_BIN"
program=$(cargo_program build --release --locked)
exec "$program" demo "$@"
