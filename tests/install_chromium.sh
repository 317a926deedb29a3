#!/usr/bin/env bash
# A browser for the end-to-end tests: the one that is there, Debian's package when we are root, else Playwright's own.
set -euo pipefail
python=$1
if command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium (Debian package) …"
  apt-get update -qq
  # The shell, where there is one: without windows it needs a fifth less CPU.
  browser=$(apt-cache show chromium-headless-shell >/dev/null 2>&1 && echo chromium-headless-shell || echo chromium)
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$browser" fonts-dejavu-core >/dev/null
else
  echo "Installing Chromium (Playwright's own) …"
  "$python" -m playwright install chromium
fi
