# shellcheck shell=bash
# Purpose: what the scripts in this folder share.
# Usage:   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ci_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # read by the scripts that source this file
repo_root=$(dirname "$ci_dir")
# shellcheck disable=SC2034
all_majors='14 15 16 17 18'

# Everything but a script's result goes to stderr, so that $(ci/postgres.sh) stays usable.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

root_on_debian() { is_root && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }

# Installs Debian packages; what apt says is shown only when it fails.
apt_install() {
  local log
  log=$(mktemp)
  say "installing $* with apt"
  if DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 &&
    DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  cat "$log" >&2
  rm -f "$log"
  say "apt could not install $*"
  return 1
}

# Runs cargo with the given arguments and prints the path of the creditdb program it made,
# wherever the target folder, the profile and the target triple put it. The test
# harness that `cargo test` makes of the same source has a hash in its name and is passed over.
cargo_program() {
  cargo "$@" --message-format=json-render-diagnostics |
    sed -n '/"kind":\["bin"\]/s/.*"executable":"\([^"]*\/creditdb\)".*/\1/p' |
    tail -n 1
}
