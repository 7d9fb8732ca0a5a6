-- unlist: takes an account without open holds out of the index that the reaper walks, and clears out its old tombstones.
-- KEYS  balance, hold, holding
-- ARGV  account, kept
-- REPLY {open holds}
-- EFFECT tombstones older than `kept` seconds of Redis TIME go; the account leaves the index when nothing is open.
local now = redis.call('TIME')[1]
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 7) == 'closed:' and now - fields[i + 1] > tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], fields[i])
  end
end
local open = redis.call('HLEN', KEYS[2])
if open == 0 then
  redis.call('HDEL', KEYS[1], 'holding')
  redis.call('SREM', KEYS[3], ARGV[1])
end
return {open}
