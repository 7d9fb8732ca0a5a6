-- declare: sets the fields of a cluster-wide switch (maintenance), once, and tells every node.
-- KEYS  switch, feed, audit
-- ARGV  name, channel, origin, audit event, retained, guard field, {field, value}...
-- REPLY {0 unchanged} {1 changed}
-- EFFECT the fields are written and the change is announced; it is audited, and `since` moves, only if the guard field gets another value.
--#include whole
local before = redis.call('HGET', KEYS[1], ARGV[6])
local changed = 0
for i = 7, #ARGV, 2 do
  if ARGV[i] == ARGV[6] and ARGV[i + 1] ~= before then changed = 1 end
end
for i = 7, #ARGV, 2 do
  if changed == 1 or ARGV[i] ~= 'since' then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
if changed == 1 then redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[4]) end
local sequence = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', ARGV[2], '!' .. ARGV[1] .. ' 0 ' .. whole(sequence) .. ' ' .. ARGV[3])
return {changed}
