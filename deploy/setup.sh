#!/usr/bin/env bash
# Set-up for a fresh Debian machine with python3, venv, make and git.
# Usage: deploy/setup.sh runtime|dev      (idempotent; a second run with nothing to do takes milliseconds)
set -euo pipefail
cd "$(dirname "$0")/.."

group=${1:?"usage: deploy/setup.sh runtime|dev"}
case $group in
  runtime) packages=(softhsm2 libxml2) ;;
  dev) packages=(softhsm2 libxml2 qpdf openssl maven openjdk-17-jdk-headless chromium fonts-dejavu-core xmlsec1 wrk) ;;
  *) echo "unknown group: $group (runtime or dev)" >&2; exit 2 ;;
esac

installed() {
  case $1 in
    softhsm2) [ -e /usr/lib/softhsm/libsofthsm2.so ] && command -v softhsm2-util ;;
    libxml2) ldconfig -p | grep 'libxml2\.so\.2 ' ;;
    maven) command -v mvn ;;
    openjdk-17-jdk-headless) command -v javac ;;
    fonts-dejavu-core) [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] ;;
    *) command -v "$1" ;;
  esac >/dev/null
}

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian packages: ${missing[*]}"
    if ! { apt-get -qq -o DPkg::Lock::Timeout=300 update &&
      DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "${missing[@]}" >/dev/null; }; then
      echo "These Debian packages could not be installed: ${missing[*]} (apt-get says why above)" >&2
      exit 1
    fi
  else
    echo "These Debian packages are missing and only root can install them: ${missing[*]}" >&2
    echo "Run:  apt-get install --no-install-recommends ${missing[*]}" >&2
    if [ "$group" = runtime ] || [ "${CI:-}" = true ]; then exit 1; fi
    echo "Tests that need them will be skipped and say so." >&2
  fi
fi

# chrony is unpacked and not installed: installing it would start a daemon that sets this machine's clock
if [ "$group" = dev ] && ! command -v chronyd >/dev/null && [ ! -x /usr/sbin/chronyd ] && [ ! -x var/chrony/usr/sbin/chronyd ] &&
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
  mkdir -p var/chrony
  if ! (cd var/chrony && apt-get -qq download chrony 2>/dev/null && dpkg-deb -x chrony_*.deb . && rm chrony_*.deb); then
    echo "chrony could not be downloaded; the test that needs it will be skipped and says so." >&2
  fi
fi

lock=requirements/$group.txt
stamp=.venv/.installed-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)
if [ -e "$stamp" ] || { [ "$group" = runtime ] && [ -e .venv/.dev ]  && [ .venv/.dev -nt "$lock" ]; }; then exit 0; fi

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Python 3.11 or later is missing: apt-get install python3 python3-venv" >&2
  exit 1
fi
if ! [ -x .venv/bin/pip ] && ! python3 -m venv .venv >/dev/null; then
  echo "The virtual environment could not be made: apt-get install python3-venv" >&2
  exit 1
fi
.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$PWD/.venv
echo "Installing Python packages ($lock)"
.venv/bin/uv pip install -q --compile-bytecode --require-hashes -r "$lock"
.venv/bin/uv pip install -q --no-deps --no-build-isolation -e .
rm -f .venv/.installed-*
touch "$stamp"
[ "$group" != dev ] || touch .venv/.dev
