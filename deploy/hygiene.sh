#!/usr/bin/env bash
# Refuses what must never be in the tree: registry addresses in the lock files, private keys, paths of one machine.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
refuse() { # what, then arguments of git grep
  local what=$1
  shift
  if git grep --no-index --exclude-standard -nIE "$@" >&2; then
    echo "hygiene: $what" >&2
    failed=1
  fi
}

refuse "an address in the requirements" -e 'https?://' -- requirements
refuse "a private key" -e '-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----'
refuse "a path of this machine" -F -e "$PWD/"
refuse "a path of somebody's home" -e '(^|[^A-Za-z0-9_.-])/(home|Users)/[a-z][a-z0-9_-]*/' -e '(^|[^A-Za-z0-9_.-])/root/[a-z.]'
exit "$failed"
