#!/bin/sh
# Debian: openssl: digests and ciphers of 4 MB, a prime number. Not `openssl speed`, which trusts the guest's clock
set -e
file=/usr/lib/x86_64-linux-gnu/libc.so.6
data() { cat $file $file; }
{
    data | openssl dgst -sha256
    data | openssl dgst -sha512
    data | openssl enc -aes-256-cbc -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
        -iv 0f0e0d0c0b0a09080706050403020100 | openssl dgst -md5
    data | openssl enc -chacha20 -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
        -iv 0f0e0d0c0b0a09080706050403020100 | openssl dgst -md5
    openssl prime -hex "7$(printf '%0151d' 0 | tr 0 F)" # 2^607 - 1
} | sha256sum | cut -c 1-16
