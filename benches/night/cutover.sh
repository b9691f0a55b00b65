#!/usr/bin/env bash
# Night 1 as a careful shell script: what an operator without a runbook engine would write and rehearse. It stops at the first
# error, keeps one connection to each database open, reads back what it did, and leaves the way back to its author.
#
# Needs the environment that the bench sets: SANDBOX (folder), OLD_PORT NEW_PORT LB_PORT MQ_PORT and the passwords of secrets.env.
set -euo pipefail

# One client per side, fed through a pipe: a client per statement would pay a connection each.
open_client() { # name port
    mkfifo "$WORK/$1.in" "$WORK/$1.out"
    MYSQL_PWD=$DB_PASSWORD mariadb --no-defaults -h 127.0.0.1 -P "$2" -u pointsman -N -B --unbuffered <"$WORK/$1.in" >"$WORK/$1.out" 2>"$WORK/$1.err" &
}
ask() { # fd-in fd-out statement… ; the answer up to a marker
    local in=$1 out=$2 line; shift 2
    printf '%s;\nSELECT "--end--";\n' "$*" >&"$in"
    while IFS= read -r -t 30 line <&"$out"; do
        [ "$line" != "--end--" ] || return 0
        printf '%s\n' "$line"
    done
    echo "no answer to: $*" >&2; cat "$WORK"/*.err >&2; exit 1
}
old() { ask 3 4 "$@"; }
new() { ask 5 6 "$@"; }
lb() { echo "$1" | socat -t 5 - "TCP:127.0.0.1:$LB_PORT"; }
mq() { curl -fsS -m 5 -u "pointsman:$MQ_PASSWORD" -H 'content-type: application/json' -X "$1" "http://127.0.0.1:$MQ_PORT/api/$2" "${@:3}"; }

WORK=$(mktemp -d); trap 'rm -rf "$WORK"; kill $(jobs -p) 2>/dev/null || true' EXIT
open_client old "$OLD_PORT"; open_client new "$NEW_PORT"
exec 3>"$WORK/old.in" 4<"$WORK/old.out" 5>"$WORK/new.in" 6<"$WORK/new.out"

# Who is who.
[ "$(old 'SELECT @@server_id')" = 101 ] && [ "$(new 'SELECT @@server_id')" = 909 ] || { echo "these are not the right servers" >&2; exit 1; }
for account in shop_app shop_worker; do old "SHOW GRANTS FOR '$account'@'%'"; done >"$SANDBOX/grants.before"

# Orders stop and their queue runs empty, before the payments have to wait.
mq PUT permissions/shop/entry -d '{"configure":"","write":"","read":".*"}'
mq GET connections | python3 -c 'import json,sys; [print(c["name"]) for c in json.load(sys.stdin) if c["user"]=="entry"]' | while IFS= read -r name; do
    mq DELETE "connections/$(python3 -c 'import sys,urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$name")" || true
done
empty=0
for _ in $(seq 300); do
    if [ "$(mq GET 'queues/shop/orders' | python3 -c 'import json,sys; print(json.load(sys.stdin).get("messages", 1))')" = 0 ]; then empty=$((empty + 1)); else empty=0; fi
    [ "$empty" -lt 8 ] || break
    sleep 1
done
[ "$empty" -ge 8 ] || { echo "orders were not drained" >&2; exit 1; }

# From here on payments are refused.
old "SET SESSION sql_log_bin=0"; new "SET SESSION sql_log_bin=0"
old "REVOKE INSERT, UPDATE, DELETE ON shop.* FROM 'shop_app'@'%'"
old "REVOKE INSERT, UPDATE ON shop.* FROM 'shop_worker'@'%'"
for id in $(old "SELECT id FROM information_schema.processlist WHERE user IN ('shop_app', 'shop_worker')"); do old "KILL $id" || true; done
old "SET SESSION lock_wait_timeout=10"
old "LOCK TABLES shop.payments READ, shop.orders READ"
old "UNLOCK TABLES"
fence=$(old "SELECT @@gtid_binlog_pos")
# The canary: a write as the application must be refused, and for the right reason.
if MYSQL_PWD=$APP_PASSWORD mariadb --no-defaults -h 127.0.0.1 -P "$OLD_PORT" -u shop_app shop -e "INSERT INTO payments (token, cents) VALUES ('canary', 0)" 2>"$WORK/canary"; then
    echo "the freeze does not hold" >&2; exit 1
fi
grep -q "ERROR 1142" "$WORK/canary"
[ "$(new "SELECT MASTER_GTID_WAIT('$fence', 30)")" = 0 ] || { echo "the replica did not catch up" >&2; exit 1; }
for measure in "COUNT(*), MAX(id) FROM shop.payments" "COUNT(*), MAX(number) FROM shop.orders"; do
    [ "$(old "SELECT $measure")" = "$(new "SELECT $measure")" ] || { echo "the counts differ" >&2; exit 1; }
done
# The new side becomes a primary, and the old one its replica.
new "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only=0"
old "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=$NEW_PORT, MASTER_USER='replica', MASTER_PASSWORD='$REPLICA_PASSWORD', MASTER_USE_GTID=current_pos; START SLAVE"
for _ in $(seq 500); do
    state=$(old "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'system user' AND state LIKE 'Waiting for master to send event%'")
    [ "$state" = 0 ] || break
    sleep 0.01
done
[ "$state" != 0 ] || { echo "the way back does not replicate" >&2; exit 1; }
# Traffic.
lb "set server shop/cloud state ready" >/dev/null
lb "set server shop/old state maint" >/dev/null
lb "shutdown sessions server shop/old" >/dev/null
lb "show servers state shop" | awk '$4 == "old" && $7 != 0 && $7 % 2 == 0 { exit 1 }'
[ "$(MYSQL_PWD=$APP_PASSWORD mariadb --no-defaults -h 127.0.0.1 -P "$FRONT_PORT" -u shop_app shop -N -B -e 'SELECT @@server_id')" = 909 ]
mq PUT permissions/shop/entry -d '{"configure":"","write":".*","read":".*"}'
echo "the shop is in the cloud"
