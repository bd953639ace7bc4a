#!/bin/sh
# Debian: sqlite3: a database in memory filled, indexed, joined
sqlite3 :memory: <<'END' | sha256sum | cut -c 1-16
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item %06d', i * 31 % 20011) FROM n;
CREATE INDEX by_kind ON item(kind, name);
SELECT kind, count(*), min(name), sum(length(name)) FROM item GROUP BY kind ORDER BY 2 DESC, 1 LIMIT 20;
SELECT count(*) FROM item a JOIN item b ON a.kind = b.kind AND a.id < b.id WHERE b.name LIKE '%7%';
UPDATE item SET name = name || '!' WHERE kind % 3 = 0;
SELECT sum(length(name)), max(name) FROM item;
END
