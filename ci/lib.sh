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

# Runs apt-get; what it says is shown only when it fails.
quiet_apt_get() {
  local log
  log=$(mktemp)
  if DEBIAN_FRONTEND=noninteractive apt-get "$@" >"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  cat "$log" >&2
  rm -f "$log"
  return 1
}

# Fetches the lists of packages, once in a run. A fresh container has none, and without them
# apt-cache knows no package.
apt_updated=
apt_update() {
  [ -z "$apt_updated" ] || return 0
  quiet_apt_get update || return 1
  apt_updated=yes
}

# Installs Debian packages.
apt_install() {
  say "installing $* with apt"
  if apt_update && quiet_apt_get install -y --no-install-recommends "$@"; then return; fi
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
