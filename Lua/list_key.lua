-- list_key: writes a record into the lists that it stands in, for lists that were begun after it was made.
-- KEYS  record, list...
-- ARGV  id, version, lists, {place}..., words, {member}...
-- REPLY {0 done} {1 it has another version by now: whoever changed it has listed it}
-- EFFECT each list lists the id by its place, and each of the last ones a word.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return {1} end
local count = tonumber(ARGV[3])
for i = 1, count do redis.call('ZADD', KEYS[1 + i], ARGV[3 + i], ARGV[1]) end
for i = 1, tonumber(ARGV[4 + count]) do redis.call('ZADD', KEYS[1 + count + i], 0, ARGV[4 + count + i]) end
return {0}
