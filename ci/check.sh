#!/usr/bin/env bash
# Purpose: the gate, the same for a person and for CI: formatting, lints, all tests on private
#          servers of every PostgreSQL major and in containers, orphan snapshots, generated text.
# Usage:   ci/check.sh              everything
#          ci/check.sh --quick      the newest major only, no containers; says what it left out
# Environment: CI=true                      no Docker or PgBouncer is a failure, not a skip
#              MAJORS                       majors of the private servers (14 15 16 17 18)
#              CREDITDB_CONTAINER_MAJORS    majors of the containers (14 15 16 17 18)
#              CREDITDB_PG_CACHE, CREDITDB_PULL_TIMEOUT   see ci/postgres.sh, ci/image.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo_root"

quick=
case ${1:-} in
  '') ;;
  --quick) quick=yes ;;
  *)
    say "unknown argument: $1; usage: ci/check.sh [--quick]"
    exit 2
    ;;
esac
default_majors=$all_majors
if [ -n "$quick" ]; then default_majors=${all_majors##* }; fi
read -ra majors <<<"${MAJORS:-$default_majors}"
read -ra container_majors <<<"${CREDITDB_CONTAINER_MAJORS:-$all_majors}"
[ ${#majors[@]} -gt 0 ] || fail "MAJORS names no major"
[ ${#container_majors[@]} -gt 0 ] || fail "CREDITDB_CONTAINER_MAJORS names no major"

# The tests must meet the servers that this script chose and the snapshots as they are.
unset DATABASE_URL CREDITDB_TEST_URL CREDITDB_PG_BIN "${!PG@}"
export INSTA_UPDATE=no INSTA_FORCE_PASS=0
# A fifth of the time of all tests is spent waiting: for a lock, a pause, a standby.
RUST_TEST_THREADS=$(($(nproc) + 1))
export RUST_TEST_THREADS
CREDITDB_TEST_RUN=check-$$-$(date +%s)
export CREDITDB_TEST_RUN
references=$(mktemp)
in_memory=
tests_tmp=${TMPDIR:-/tmp}

stage=
stage_start=0
finished=
servers=()
skipped=()

begin() {
  end_stage
  stage=$*
  stage_start=$SECONDS
  printf '\n== %s\n' "$stage"
}

end_stage() {
  if [ -n "$stage" ]; then printf -- '-- %s: %d s\n' "$stage" $((SECONDS - stage_start)); fi
  stage=
}

skip() {
  skipped+=("$*")
  printf '\n!! SKIPPED: %s\n' "$*"
}

# Also after a failure or Ctrl-C: no container stays behind, and the last lines say what was done.
finish() {
  local status=$? left
  left=$(timeout 10 docker ps -aq --filter "label=creditdb.run=$CREDITDB_TEST_RUN" 2>/dev/null || true)
  # shellcheck disable=SC2086 # one word for each container
  if [ -n "$left" ]; then docker rm -f $left >/dev/null || true; fi
  rm -rf "$references" ${in_memory:+"$in_memory"}
  printf '\n== summary\n'
  if [ ${#servers[@]} -gt 0 ]; then printf 'tested on %s\n' "${servers[@]}"; fi
  if [ ${#skipped[@]} -gt 0 ]; then printf '!! SKIPPED: %s\n' "${skipped[@]}"; fi
  if [ -n "$finished" ]; then
    printf 'passed in %d s\n' "$SECONDS"
  else
    printf 'FAILED after %d s, in: %s\n' "$SECONDS" "${stage:-the preparation}"
    if [ "$status" -eq 0 ]; then exit 1; fi
  fi
}
trap finish EXIT

has_component() {
  "cargo-$1" --version >/dev/null 2>&1 || rustup component add "$2" ||
    fail "cargo $1 is missing; install $2"
}

# Every test makes databases, of some hundred files each; in memory all tests take a fifth less
# time. They need half a gigabyte of it, and programs that may run there.
tests_in_memory() {
  local free
  free=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || return 0
  [ "$free" -ge 2000 ] && in_memory=$(mktemp -d /dev/shm/creditdb.XXXXXX) || return 0
  chmod 1777 "$in_memory"
  printf '#!/bin/sh\n' >"$in_memory/may-run"
  chmod +x "$in_memory/may-run"
  if "$in_memory/may-run" 2>/dev/null; then tests_tmp=$in_memory; fi
}

begin tools
has_component fmt rustfmt
has_component clippy clippy
declare -A bin
for major in "${majors[@]}"; do
  bin[$major]=$(ci/postgres.sh "$major")
  echo "PostgreSQL $major: ${bin[$major]}"
done

if ci/pgbouncer.sh; then
  export CREDITDB_REQUIRE_PGBOUNCER=1
elif [ "${CI:-}" = true ]; then
  fail 'CI=true, and there is no PgBouncer'
else
  skip 'migrations through PgBouncer (it is not installed)'
fi

begin formatting
# By name: cargo fmt does not see the modules that the build script declares.
git ls-files -z '*.rs' | xargs -0 rustfmt --check --edition 2024

begin clippy
cargo clippy --workspace --all-targets --locked -- -D warnings

begin build
program=$(cargo_program test --locked --no-run)
[ -x "$program" ] || fail "the build made no creditdb"

tests_in_memory
# Examples in the documentation need no server: they run once, with the first major. The long test
# of killed deployers, and most of the damaged ledgers, run on the last one; a handful of each run
# on the others.
targets=()
for major in "${majors[@]}"; do
  begin "tests on PostgreSQL $major"
  if [ "$major" = "${majors[-1]}" ] && [ -z "$quick" ]; then
    export CREDITDB_TORTURE_ROUNDS=200 CREDITDB_MUTATIONS=200
  fi
  TMPDIR=$tests_tmp \
    INSTA_SNAPSHOT_REFERENCES_FILE=$references CREDITDB_EXPECT_MAJOR=$major \
    CREDITDB_PG_BIN=${bin[$major]} cargo test --locked "${targets[@]}"
  servers+=("PostgreSQL $major, private: ${bin[$major]}")
  targets=(--tests)
done

# insta lists the file of each snapshot it compares; a file that no test compared is dead.
begin 'orphan snapshots'
orphans=$(comm -13 \
  <(sort -u "$references" | xargs -r -d '\n' realpath -m | sort -u) \
  <(find "$repo_root" \( -name .git -o -name target \) -prune -o \
    -name '*.snap' -exec realpath {} + | sort -u))
if [ -n "$orphans" ]; then
  printf '%s\n' "$orphans"
  fail "no test on PostgreSQL ${majors[*]} reads these snapshots; remove them"
fi

begin 'generated text'
ci/generate.sh --check "$program"

begin containers
if [ -n "$quick" ]; then
  skip 'containers (--quick)'
elif ci/docker.sh; then
  images=()
  for major in "${container_majors[@]}"; do
    image=$(ci/image.sh "$major" | tail -n 1)
    images+=("$image")
  done
  CREDITDB_BIN=$program CREDITDB_TEST_IMAGES="${images[*]}" \
    cargo test --locked -p creditdb-containers
  for image in "${images[@]}"; do servers+=("container: $image"); done
elif [ "${CI:-}" = true ]; then
  fail 'CI=true, and there is no Docker'
elif is_root; then
  fail 'there is no Docker (--quick leaves containers out)'
else
  skip 'containers (no Docker, and not root)'
fi

end_stage
if [ "${majors[*]}" != "$all_majors" ]; then
  skip "private servers of other majors than ${majors[*]} (of $all_majors)"
fi
finished=yes
