-- unlist: takes an account without open holds out of the index that the reaper walks, and clears out old tombstones.
-- KEYS  balance, hold, holding
-- ARGV  account, {tombstone}...
-- REPLY {open holds}
-- EFFECT the named holds go if they are tombstones; the account leaves the index when nothing is open.
for i = 2, #ARGV do
  if redis.call('HGET', KEYS[2], ARGV[i]) == '' then redis.call('HDEL', KEYS[2], ARGV[i]) end
end
local open = redis.call('HLEN', KEYS[2])
if open == 0 then
  redis.call('HDEL', KEYS[1], 'holding')
  redis.call('SREM', KEYS[3], ARGV[1])
end
return {open}
