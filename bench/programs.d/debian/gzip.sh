#!/bin/sh
# Debian: gzip: a shared library packed and unpacked
set -e
file=/usr/lib/x86_64-linux-gnu/libc.so.6
gzip -6 -n -c $file >/tmp/serai-bench.gz
sha256sum </tmp/serai-bench.gz | cut -c 1-16
gzip -dc /tmp/serai-bench.gz | cmp - $file
rm /tmp/serai-bench.gz
