#!/usr/bin/env bash
# Purpose: bring generated text up to date: the parts of README.md and docs/ that are program
#          output, the expected catalogue of each schema version (src/migrations/expected/), and
#          the definitions of the guards (src/invariants/guards.txt).
# Usage:   ci/generate.sh [--check] [PROGRAM]
#            --check   write nothing; exit 1 with a diff when a part is out of date
#            PROGRAM   a built creditdb; without it, one is built
# A part is what stands between these two lines, whatever the arguments:
#   <!-- generated: creditdb list -->
#   <!-- end generated -->
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check=
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
program=${1:-}
if [ -n "$program" ]; then program=$(realpath "$program"); fi
cd "$repo_root"
stale=
newest=$(ci/postgres.sh "${all_majors##* }")

# What is recorded of a migrated database is compared by tests, which also write it when asked to.
test_records() {
  CREDITDB_PG_BIN=$newest \
    cargo test --locked --test suite -- migrations::expected guards_are_recorded >&2
}

hash_records() {
  git hash-object src/migrations/expected/*.json src/invariants/guards.txt |
    git hash-object --stdin
}

# A program has the records in it, so they come first, and a program that was built before is out
# of date.
if [ -n "$check" ]; then
  unset CREDITDB_REGENERATE
  test_records || stale=' src/migrations/expected or src/invariants/guards.txt'
else
  before=$(hash_records)
  CREDITDB_REGENERATE=1 test_records
  if [ "$before" != "$(hash_records)" ]; then
    say 'wrote src/migrations/expected or src/invariants/guards.txt'
    program=
  fi
fi
if [ -z "$program" ]; then program=$(cargo_program build --locked); fi

# The same text for everybody: nothing of the caller's environment but PATH, no colour.
run() { env -i PATH="$PATH" NO_COLOR=1 COLUMNS=100 "$program" "$@"; }

regenerate() {
  local file=$1 line inside='' begin='<!-- generated: creditdb ' end='<!-- end generated -->'
  local -a words
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      "$begin"*' -->')
        [ -z "$inside" ] || fail "$file: '$inside' has no '$end'"
        inside=$line
        line=${line#"$begin"}
        read -ra words <<<"${line% -->}"
        printf '%s\n```text\n' "$inside"
        run "${words[@]}" || fail "$file: creditdb ${words[*]} failed"
        printf '```\n'
        ;;
      "$end")
        [ -n "$inside" ] || fail "$file: '$end' without a beginning"
        inside=
        ;;
    esac
    if [ -z "$inside" ]; then printf '%s\n' "$line"; fi
  done <"$file"
  [ -z "$inside" ] || fail "$file: '$inside' has no '$end'"
}

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
shopt -s nullglob globstar
for file in README.md docs/**/*.md; do
  regenerate "$file" >"$fresh"
  if cmp -s "$file" "$fresh"; then continue; fi
  if [ -z "$check" ]; then
    cat "$fresh" >"$file"
    say "wrote $file"
  else
    diff -u --label "$file" --label "$file, regenerated" "$file" "$fresh" || stale="$stale $file"
  fi
done
[ -z "$stale" ] || fail "out of date:$stale; run ci/generate.sh and commit the result"
