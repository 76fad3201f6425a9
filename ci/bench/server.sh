# shellcheck shell=bash
# Purpose: what benchmarks share: a program, a folder that goes away, and a throw-away server,
#          durable, on a unix socket and on TCP.
# Usage:   source ci/bench/server.sh, after ci/lib.sh
#          prepare_bench [arguments of cargo]           sets bin, program and work (the folder)
#          start_server BIN WORK [postgres arguments]   sets server (the process) and port; the
#                                                       socket is in WORK/server

# The caller's variables could lead to another server.
prepare_bench() {
  command -v python3 >/dev/null || fail 'the measuring takes python3'
  unset DATABASE_URL "${!PG@}"
  bin=$(ci/postgres.sh)
  program=$(cargo_program build --locked "$@")
  [ -x "$program" ] || fail "the build made no creditdb"
  work=$(mktemp -d "${TMPDIR:-/tmp}/creditdb-bench.XXXXXX")
  server=
  trap end_bench EXIT
}

end_bench() {
  local status=$?
  if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf "$work"
  exit "$status"
}

start_server() {
  local bin=$1 work=$2 name account=()
  shift 2
  # As root, the server runs as another account, which must own its folder.
  mkdir "$work/server"
  if is_root; then
    name=postgres
    id "$name" >/dev/null 2>&1 || name=nobody
    account=(setpriv --reuid "$name" --regid "$(id -g "$name")" --clear-groups)
    chmod 755 "$work"
    chown "$name" "$work/server"
  fi
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
  # shellcheck disable=SC2034 # for the script that sources this
  "${account[@]}" "$bin/postgres" -D "$work/server/data" -k "$work/server" -p "$port" \
    -c listen_addresses=127.0.0.1 -c fsync=on "$@" >"$work/server.log" 2>&1 &
  server=$!
  cd "$repo_root"
}
