#!/bin/sh
# Debian: 7z: a shared library packed and tested. Not `7zz b`, which trusts the guest's clock
set -e
file=/usr/lib/x86_64-linux-gnu/libm.so.6
rm -f /tmp/serai-bench.7z
7zz a -bd -mx=3 -mmt=1 /tmp/serai-bench.7z $file >/dev/null
7zz x -bd -so /tmp/serai-bench.7z | sha256sum | cut -c 1-16
rm /tmp/serai-bench.7z
