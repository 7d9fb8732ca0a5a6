-- webhook_end: what an attempt to deliver a batch came to.
-- KEYS  counts, due, queue, state, log, dead letters
-- ARGV  name, turn, verdict, wait, flush, batch, list, first attempt, entry, logged, dead letter, kept
-- REPLY {0 noted, ms until the sink is due, or -1} {1 another attempt has ended this turn}
-- EFFECT `done` takes the batch out of the queue; `retry` makes the sink due after `wait` ms; `dead` takes the batch out and keeps the dead
-- letter, the newest `kept` of them. Each is counted, and the entry is in the log, the newest `logged` of it. `list` as in webhook_spool.
local size, turn, attempts = unpack(redis.call('HMGET', KEYS[4], 'size', 'turn', 'attempts'))
if turn ~= ARGV[2] then return {1} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function count(what, amount)
  redis.call('HINCRBY', KEYS[1], what, amount)
  if ARGV[7] == '1' then redis.call('HINCRBY', KEYS[1], what .. ':' .. ARGV[1], amount) end
end
redis.call('XADD', KEYS[5], 'MAXLEN', '=', ARGV[10], '*', 'n', redis.call('HINCRBY', KEYS[1], 'logged', 1), 'e', ARGV[9])
if tonumber(attempts) > 0 then count('retries', 1) end
if ARGV[3] == 'retry' then
  if attempts == '0' then redis.call('HINCRBY', KEYS[1], 'retrying', 1) end
  redis.call('HSET', KEYS[4], 'turn', redis.call('HINCRBY', KEYS[1], 'turn', 1), 'attempts', attempts + 1, 'first', ARGV[8])
  redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
  return {0, tonumber(ARGV[4])}
end
if attempts ~= '0' then redis.call('HINCRBY', KEYS[1], 'retrying', -1) end
redis.call('LTRIM', KEYS[3], size, -1)
redis.call('DEL', KEYS[4])
redis.call('HINCRBY', KEYS[1], 'waiting', -size)
if ARGV[7] == '2' then redis.call('HINCRBY', KEYS[1], 'waiting:keys', -size) end
if ARGV[3] == 'done' then
  count('delivered', size)
else
  count('failed', size)
  local more = redis.call('RPUSH', KEYS[6], ARGV[11]) - ARGV[12]
  if more > 0 then
    redis.call('LTRIM', KEYS[6], more, -1)
    redis.call('HINCRBY', KEYS[1], 'forgotten', more)
  end
end
local length = redis.call('LLEN', KEYS[3])
if length == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {0, -1}
end
local wait = length >= tonumber(ARGV[6]) and 0 or tonumber(ARGV[5])
redis.call('ZADD', KEYS[2], now + wait, ARGV[1])
return {0, wait}
