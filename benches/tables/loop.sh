#!/usr/bin/env bash
# Exact counts of every table on both sides, as one writes it down in a minute: the command-line client once per table and side.
set -euo pipefail
ask() { mariadb --no-defaults -h 127.0.0.1 -P "$1" -u bench -N -B -e "$2" shop; }
differs=0
for table in $(ask "$OLD_PORT" "SHOW TABLES"); do
    there=$(ask "$OLD_PORT" "SELECT COUNT(*) FROM \`$table\`") here=$(ask "$NEW_PORT" "SELECT COUNT(*) FROM \`$table\`")
    [ "$there" = "$here" ] || { echo "$table: $there and $here"; differs=1; }
done
exit "$differs"
