#!/bin/sh
# Purpose: start PostgreSQL in the image of ci/image.sh, as the official image would, for tests.
# Usage:   docker run -e POSTGRES_PASSWORD=... IMAGE [postgres OPTION... or another command]
# Understands POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, and nothing else. Whoever waits
# for the official image waits for "ready to accept connections" twice: once on stdout, from
# the server that creates the database, and once on stderr, from the one that stays. This
# script keeps to that. The image holds a shell and PostgreSQL; there are no other commands.
set -eu

case ${1:-} in
  postgres) shift ;;
  '' | -*) ;;
  *) exec "$@" ;;
esac
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -e "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo 'POSTGRES_PASSWORD is not set' >&2
    exit 1
  fi
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$PGDATA" -U "$user" --pwfile=/tmp/password -E UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync
  : >/tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o '-c listen_addresses= -c fsync=off' start
  if [ "$database" != postgres ]; then
    echo 'CREATE DATABASE :"database";' |
      psql -X -q -v ON_ERROR_STOP=1 -v database="$database" -U "$user" -d postgres
  fi
  pg_ctl -D "$PGDATA" -w -m fast stop
fi
unset POSTGRES_PASSWORD
exec postgres -c listen_addresses='*' "$@"
