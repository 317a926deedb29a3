#!/usr/bin/env bash
# A Postgres for the tests of shared warehouses: the one that is there, or Debian's package when we are root. Without it they are skipped.
set -euo pipefail
if command -v pg_ctl >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Postgres (Debian package) …"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
else
  echo "There is no Postgres here and no root to install it: the tests of shared warehouses are skipped."
fi
