#!/bin/sh
# Debian: xz: a shared library packed and unpacked
set -e
file=/usr/lib/x86_64-linux-gnu/libm.so.6
xz -3 -T1 -c $file >/tmp/serai-bench.xz
cat /tmp/serai-bench.xz | sha256sum | cut -c 1-16
xz -dc /tmp/serai-bench.xz | cmp - $file
rm /tmp/serai-bench.xz
