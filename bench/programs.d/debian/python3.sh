#!/bin/sh
# Debian: python3: dictionaries, regular expressions, JSON, classes
exec python3 -I - <<'END'
import hashlib, json, re

class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def turned(self):
        return Point(-self.y, self.x + 1)

words = {}
text = " ".join("w%d=%x" % (i * i % 1013, i) for i in range(8000))
for name, value in re.findall(r"(w\d+)=([0-9a-f]+)", text):
    words.setdefault(name, []).append(int(value, 16))
again = json.loads(json.dumps(words, sort_keys=True))
p = Point(0, 0)
for i in range(30000):
    p = p.turned()
total = sum(sum(v) * (i + 1) for i, (k, v) in enumerate(sorted(again.items())))
squares = sorted(((i * 7919) % 10007, i) for i in range(20000))
print(hashlib.sha256(repr((total, p.x, p.y, squares[::500])).encode()).hexdigest()[:16])
END
