#!/bin/sh
# Debian: apt-get: a hundred cold starts
set -e
i=0
while [ $i -lt 100 ]; do
    apt-get --version
    i=$((i + 1))
done | sha256sum | cut -c 1-16
