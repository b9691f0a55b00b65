#!/usr/bin/env bash
# The same by somebody who has done it before: one client per side, both at once, with generated statements that count fifty tables
# each, and one comparison of what they said.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
count() { # port
    mariadb --no-defaults -h 127.0.0.1 -P "$1" -u bench -N -B -e "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' AND table_type = 'BASE TABLE' ORDER BY table_name" \
        | awk -v q="'" '{ printf "%sSELECT %s%s%s, COUNT(*) FROM `%s`", (NR % 50 == 1 ? (NR > 1 ? ";\n" : "") : " UNION ALL "), q, $0, q, $0 } END { print ";" }' \
        | mariadb --no-defaults -h 127.0.0.1 -P "$1" -u bench -N -B shop | sort
}
count "$OLD_PORT" >"$dir/old" & old=$!
count "$NEW_PORT" >"$dir/new" & new=$!
wait "$old"; wait "$new"
[ -s "$dir/old" ]
diff "$dir/old" "$dir/new"
