#!/bin/sh
# Debian: perl: hashes, regular expressions, sorting
perl - <<'END' | sha256sum | cut -c 1-16
use strict;
my %count;
my $text = join ' ', map { sprintf 'w%d=%x', $_ * $_ % 1013, $_ } 1 .. 40000;
while ($text =~ /(w\d+)=([0-9a-f]+)/g) {
    $count{$1} += hex $2;
}
my $sum = 0;
for my $word (sort { $count{$a} <=> $count{$b} || $a cmp $b } keys %count) {
    $sum = ($sum * 31 + $count{$word}) % 1000000007;
    (my $turned = $word) =~ tr/0-9/9876543210/;
    $sum += length(reverse $turned);
}
for my $i (1 .. 400000) {
    $sum = ($sum * 17 + $i) % 1000000007;
}
print "$sum\n";
END
