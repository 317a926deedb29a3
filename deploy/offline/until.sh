#!/usr/bin/env bash
# On a machine that is there for a while: deploy/offline/until.sh SECONDS COMMANDS LOGS runs the lines of the file COMMANDS one after the other and ends
# after so many seconds. A line may begin with a limit of its own (`120: python3 -m bench run …`). At a limit a command gets Ctrl-C, upon which `bench run`
# writes its rows and its balance, and is killed 25 s later. Lines may be added while it runs; what line 3 printed is in LOGS/3.txt, what became of all in
# LOGS/all.txt. Start it by `setsid nohup … &` where the shell goes away.
set -uo pipefail
end=$(($(date +%s) + $1)); commands=$2; logs=$3; number=0
mkdir -p "$logs"
while left=$((end - $(date +%s) - 25)) && [ "$left" -gt 0 ]; do
    line=$(sed -n "$((number + 1))p" "$commands")
    if [ -z "$line" ]; then
        [ "$(wc -l < "$commands")" -gt "$number" ] && number=$((number + 1)) || sleep 1
        continue
    fi
    number=$((number + 1)); limit=$left; command=$line
    if [[ $line =~ ^([0-9]+):[[:space:]]*(.+)$ ]]; then
        command=${BASH_REMATCH[2]}
        [ "${BASH_REMATCH[1]}" -lt "$left" ] && limit=${BASH_REMATCH[1]}
    fi
    echo "$(date +%T) $number, at most $limit s: $command"
    timeout -s INT -k 25 "$limit" bash -c "$command" > "$logs/$number.txt" 2>&1 < /dev/null && status=0 || status=$?
    echo "$(date +%T) $number ended with $status"
done >> "$logs/all.txt" 2>&1
