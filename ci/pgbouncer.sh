#!/usr/bin/env bash
# Purpose: make sure that a PgBouncer is here, for the test of migrations through a pooler.
# Usage:   ci/pgbouncer.sh      exit 0: it prints where; exit 1: there is none, and the reason
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Debian puts it where only root's PATH leads.
PATH=$PATH:/usr/sbin

# The package would start a service of its own; ours run on ports and folders of a test.
install_package() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [ -e "$policy" ]; then
    apt_install pgbouncer
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  apt_install pgbouncer || status=$?
  rm -f "$policy"
  return "$status"
}

if ! command -v pgbouncer; then
  root_on_debian || fail 'PgBouncer is not installed, and this script installs it on Debian as root only'
  install_package
  command -v pgbouncer
fi
