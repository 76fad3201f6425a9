#!/usr/bin/env bash
# Purpose: make sure that a PgBouncer is here, for the test of migrations through a pooler.
# Usage:   ci/pgbouncer.sh      exit 0: it prints where; exit 1: there is none, and the reason
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Debian puts it where only root's PATH leads.
PATH=$PATH:/usr/sbin

# The package would start a service of its own; ours run on ports and folders of a test. Nothing
# else on this machine would start any more with our policy left behind, so a subshell takes it
# away however the installation ends, by Ctrl-C too.
install_package() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt_install pgbouncer
)

if ! command -v pgbouncer; then
  root_on_debian || fail 'PgBouncer is not installed, and this script installs it on Debian as root only'
  install_package
  command -v pgbouncer
fi
