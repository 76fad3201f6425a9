#!/usr/bin/env bash
# Purpose: make sure that a PostgreSQL image for the container tests exists, registry or not.
# Usage:   ci/image.sh MAJOR      the last line on stdout is NAME:TAG
# Takes the official image when it is here or can be pulled, else builds a small one from the
# tree of ci/postgres.sh MAJOR: that tree, the libraries it needs, a shell and time zones.
# Environment: CREDITDB_PULL_TIMEOUT   seconds to wait for a registry (20)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:?usage: ci/image.sh MAJOR}
official=postgres:$major
built=creditdb-test/postgres:$major

if docker image inspect "$official" >/dev/null 2>&1; then
  echo "$official"
  exit
fi

# What an image is made of, so that one from an older tree or entrypoint is not taken for new.
bin=$("$ci_dir/postgres.sh" "$major")
recipe=$("$bin/postgres" --version | cat - "$0" "$ci_dir/pg-image/entrypoint.sh" |
  sha256sum | cut -c1-16)
label='{{index .Config.Labels "creditdb.recipe"}}'
if [ "$(docker image inspect -f "$label" "$built" 2>/dev/null)" = "$recipe" ]; then
  say "$built is there already"
  echo "$built"
  exit
fi

if timeout "${CREDITDB_PULL_TIMEOUT:-20}" docker pull --quiet "$official" >/dev/null 2>&1; then
  say "pulled $official"
  echo "$official"
  exit
fi

say "no registry gave $official; building $built"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
pg=/usr/local/pgsql
mkdir -p "$root"/{bin,etc,tmp,run/postgresql,usr/lib/locale,usr/share,usr/local/bin} \
  "$root"/var/lib/postgresql/data "$root$pg"
ln -s ../run "$root/var/run"
cp -a "$(dirname "$bin")/." "$root$pg/"
rm -rf "$root$pg"/{include,lib/pgxs,lib/pkgconfig,lib/bitcode,share/doc,share/man,share/locale}
cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
if [ -d /usr/share/zoneinfo ]; then cp -a /usr/share/zoneinfo "$root/usr/share/"; fi
shell=$(command -v dash || command -v bash)
cp -L "$shell" "$root/bin/sh"
# Libraries inside the tree are found beside its programs; the rest comes from this machine.
{ find "$root$pg" -type f \( -perm /111 -o -name '*.so*' \) && echo "$shell"; } |
  { xargs -n 1 ldd 2>/dev/null || true; } |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/.*\/ld-/ { print $1 }' | sort -u |
  while read -r library; do
    case $library in "$root"/*) continue ;; esac
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
printf '%s\n' 'root:x:0:0::/:/bin/sh' 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' \
  >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'postgres:x:999:' >"$root/etc/group"
install -m 755 "$ci_dir/pg-image/entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
chmod 755 "$root"
chmod 1777 "$root/tmp"
chmod 700 "$root/var/lib/postgresql/data"
tar -C "$root" --owner=999 --group=999 -c . |
  docker import \
    --change "ENV PATH=$pg/bin:/usr/local/bin:/bin PGDATA=/var/lib/postgresql/data" \
    --change 'ENV LANG=C.UTF-8 TZ=UTC' \
    --change "LABEL creditdb.recipe=$recipe" --change 'USER 999:999' --change 'EXPOSE 5432' \
    --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]' \
    - "$built" >/dev/null
say "built $built from $bin"
echo "$built"
