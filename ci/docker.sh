#!/usr/bin/env bash
# Purpose: make sure that a Docker daemon answers; as root on Debian, install and start one.
# Usage:   ci/docker.sh      exit 0: `docker info` works; exit 1: it does not, and the reason
# The daemon it starts stays up after the script, for the next run.
# Environment: DOCKER_HOST   a daemon elsewhere; then nothing is installed or started here
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

answers() { timeout 10 docker info >/dev/null 2>&1; }

# dockerd leaves this file behind when it is killed, and then refuses to start.
remove_stale_pid() {
  local file=/var/run/docker.pid pid
  [ -e "$file" ] || return 0
  pid=$(cat "$file")
  if [ "$(cat "/proc/${pid:-none}/comm" 2>/dev/null)" != dockerd ]; then
    say "removing $file of a daemon that is gone"
    rm -f "$file"
  fi
}

# Starts dockerd, away from this terminal, and waits until it answers, dies, or a minute is over.
start_daemon() {
  local log=$1 second
  shift
  remove_stale_pid
  setsid nohup dockerd "$@" >"$log" 2>&1 </dev/null &
  local pid=$!
  for second in $(seq 60); do
    sleep 1
    if answers; then
      say "started dockerd ${*:+$* }in $second s (pid $pid, log $log)"
      return
    fi
    kill -0 "$pid" 2>/dev/null || return 1
  done
  kill "$pid"
  # Until it is gone, its pid file and its locks stop the next one.
  wait "$pid" || true
  return 1
}

if answers; then
  say "a Docker daemon answers"
  exit
fi
[ -z "${DOCKER_HOST:-}" ] || fail "no daemon answers at DOCKER_HOST"
if ! is_root; then fail "no Docker daemon answers, and starting one takes root"; fi
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  root_on_debian || fail "Docker is not installed, and this script installs it on Debian only"
  # Debian 12 has the command in docker.io, later releases in docker-cli.
  apt_update || fail "apt does not get its lists of packages"
  packages=(docker.io)
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
    packages+=(docker-cli)
  fi
  apt_install "${packages[@]}" || exit 1
  command -v docker >/dev/null || fail "there is no command docker in: ${packages[*]}"
fi
if [ -d /run/systemd/system ]; then
  systemctl start docker || true
  if answers; then
    say "started Docker's service"
    exit
  fi
  fail "systemctl start docker did not help; see: journalctl -u docker"
fi

log=$(mktemp /tmp/dockerd.XXXXXX.log)
# Containers may neither stack overlays nor write firewall rules. Published ports still work
# then, through dockerd's own proxy.
start_daemon "$log" || start_daemon "$log" --storage-driver=vfs ||
  start_daemon "$log" --storage-driver=vfs --iptables=false --ip6tables=false || {
  tail -n 20 "$log" >&2
  fail "dockerd does not start"
}
