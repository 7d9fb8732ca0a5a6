-- webhook_take: the batch that a sink gets next; one that was tried and failed is the same again.
-- KEYS  counts, due, queue, state
-- ARGV  name, batch
-- REPLY {0 a batch, turn, attempts, first attempt, event...} {1 nothing waits}
-- EFFECT the batch is the first events of the queue, which stay there; its turn changes with each attempt, so that only one ends it. A sink
-- that nothing waits for is due no more. Attempts are those made so far, their first one in ms.
local length = redis.call('LLEN', KEYS[3])
if length == 0 then
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {1}
end
local state = redis.call('HMGET', KEYS[4], 'size', 'turn', 'attempts', 'first')
if not state[1] then
  state = {math.min(length, tonumber(ARGV[2])), redis.call('HINCRBY', KEYS[1], 'turn', 1), 0, 0}
  redis.call('HSET', KEYS[4], 'size', state[1], 'turn', state[2], 'attempts', 0, 'first', 0)
end
return {0, tonumber(state[2]), tonumber(state[3]), tonumber(state[4]), unpack(redis.call('LRANGE', KEYS[3], 0, state[1] - 1))}
