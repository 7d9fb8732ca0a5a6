-- webhook_drop: what waits for a sink that is there no more.
-- KEYS  counts, due, queue, state
-- ARGV  name, list
-- REPLY {0 dropped, events}
-- EFFECT the queue is gone, with all that was counted for the sink; its events count as dropped. `list` as in webhook_spool.
local length = redis.call('LLEN', KEYS[3])
if (redis.call('HGET', KEYS[4], 'attempts') or '0') ~= '0' then redis.call('HINCRBY', KEYS[1], 'retrying', -1) end
redis.call('UNLINK', KEYS[3])
redis.call('DEL', KEYS[4])
redis.call('ZREM', KEYS[2], ARGV[1])
if length > 0 then
  redis.call('HINCRBY', KEYS[1], 'waiting', -length)
  redis.call('HINCRBY', KEYS[1], 'dropped', length)
  if ARGV[2] == '2' then redis.call('HINCRBY', KEYS[1], 'waiting:keys', -length) end
end
for _, what in ipairs({'delivered', 'failed', 'retries', 'dropped'}) do redis.call('HDEL', KEYS[1], what .. ':' .. ARGV[1]) end
return {0, length}
