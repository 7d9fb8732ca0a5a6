-- session: makes, uses or ends a session of the handshake era, for all nodes at once.
-- KEYS  facts, index, feed
-- ARGV  id, verb, lifetime, cap, channel, origin, {field, value}...
-- REPLY {0, field, value...} the session lives, with its facts {1} there is no such session
-- EFFECT `create` and `adopt` write facts and index entry, `touch` renews both, `end` removes them and tells every node; beyond `cap`
-- the sessions that were used least lately are forgotten. lifetime is milliseconds of Redis TIME since the last use.
-- `adopt` is a touch that also makes a session which was minted without being written, unless it has been ended.
--#include whole
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local verb, lifetime = ARGV[2], tonumber(ARGV[3])
local used = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
local lives = used > now - lifetime
if verb == 'end' then
  if not lives and redis.call('HGET', KEYS[1], 'ended') then return {1} end
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'ended', '1')
  redis.call('PEXPIRE', KEYS[1], lifetime)
  local sequence = redis.call('INCR', KEYS[3])
  redis.call('PUBLISH', ARGV[5], 'session ' .. ARGV[1] .. ' 0 ' .. whole(sequence) .. ' ' .. ARGV[6])
  return {0}
end
if not lives and verb ~= 'create' then
  if verb == 'touch' or redis.call('HGET', KEYS[1], 'ended') then return {1} end
end
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], lifetime)
redis.call('ZADD', KEYS[2], whole(now), ARGV[1])
if verb ~= 'touch' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now - lifetime))
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[4]))
end
return {0, unpack(redis.call('HGETALL', KEYS[1]))}
