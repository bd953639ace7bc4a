#!/bin/sh
# Debian: gcc: a C file compiled and assembled
set -e
gcc -std=gnu11 -O2 -ffreestanding -I /programs -c -o /tmp/serai-bench.o /programs/lib/sort.c
sha256sum </tmp/serai-bench.o | cut -c 1-16
rm /tmp/serai-bench.o
