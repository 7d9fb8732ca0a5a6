-- acquire_slot: one of a few places that must be given back or are lost with their holder (the live streams of a session).
-- KEYS  places
-- ARGV  holder, cap, lifetime, leaving
-- REPLY {0 held, taken} {1 full, taken}
-- EFFECT the holder's place lasts `lifetime` ms of Redis TIME and is renewed by a further call; `leaving` 1 gives it back.
if ARGV[4] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {0, redis.call('ZCARD', KEYS[1])}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local taken = redis.call('ZCARD', KEYS[1])
if taken >= tonumber(ARGV[2]) and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {1, taken} end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {0, redis.call('ZCARD', KEYS[1])}
