#!/bin/sh
# The init of bench/load's guest: runs all programs, over and over, each round in another order. Says a line for each that has ended:
# "load: NAME", or "load: wrong: NAME" and why.
export PATH=/usr/bin:/bin HOME=/ LC_ALL=C
mount -t tmpfs tmpfs /tmp
mkdir /tmp/expected
cd /programs || exit 1
round=0
while :; do
    round=$((round + 1))
    for program in $(find . -type f -executable ! -name '.*' | shuf); do
        name=${program##*/}
        if ! printed=$("$program" $round </dev/null 2>&1); then
            echo "load: wrong: $name failed in round $round: $printed"
            continue
        fi
        [ -e "/tmp/expected/$name" ] || echo "$printed" >"/tmp/expected/$name"
        if [ "$printed" = "$(cat "/tmp/expected/$name")" ]; then
            echo "load: $name"
        else
            echo "load: wrong: $name printed in round $round: $printed"
        fi
    done
done
