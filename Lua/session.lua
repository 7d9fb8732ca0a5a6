-- session: makes, uses or ends a session of the handshake era, for all nodes at once.
-- KEYS  owned, guests, owners, ended, feed
-- ARGV  id, verb, lifetime, cap, channel, origin, kind, owner, level, revision, key
-- REPLY {0, owner, level, revision, key} the session lives {1} there is no such session
-- EFFECT `create` and `adopt` list the session under its kind, `owned` by a key or `guest`; `touch` renews it; `end` removes it and tells every
-- node. Beyond `cap` in all the guests that were used least lately are forgotten with all that was kept of them, and an owned one only for
-- other owned ones; a tenth is left to guests. Of the owned
-- ones those of the key that has most go first, whatever its credentials: `key` is its id, which is kept with the session. A level that is not empty is the session's from then on: from which on it hears of logs; so is a
-- revision, where it makes a difference which one the session has agreed on. lifetime is milliseconds of Redis TIME since the last use. `adopt` is a touch that also makes
-- a session which was minted without being written, unless it has been ended.
--#include integer
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, verb, lifetime, cap = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local index = ARGV[7] == 'owned' and KEYS[1] or KEYS[2]
local lives = tonumber(redis.call('ZSCORE', index, id) or '0') > now - lifetime
local function forget(list, ids)
  for i = 1, #ids do
    redis.call('ZREM', list, ids[i])
    redis.call('HDEL', KEYS[3], ids[i], ids[i] .. ' level', ids[i] .. ' revision', ids[i] .. ' key')
  end
end
-- The owned session that gives way: of the key that has most, the one that was used least lately.
local function widest()
  local owners, flat, counts, first, most = {}, redis.call('HGETALL', KEYS[3]), {}, {}, nil
  for i = 1, #flat, 2 do owners[flat[i]] = flat[i + 1] end
  local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
  for i = 1, #ids do
    local owner = owners[ids[i] .. ' key'] or owners[ids[i]] or ''
    counts[owner], first[owner] = (counts[owner] or 0) + 1, first[owner] or i
    if not most or counts[owner] > counts[most] or counts[owner] == counts[most] and first[owner] < first[most] then most = owner end
  end
  return ids[first[most]]
end
local function bound(list, most)
  forget(list, redis.call('ZRANGEBYSCORE', list, '-inf', integer(now - lifetime), 'LIMIT', 0, 100))
  local excess = redis.call('ZCARD', list) - most
  if list == KEYS[1] and excess == 1 then return forget(list, {widest()}) end
  if excess > 0 then forget(list, redis.call('ZRANGE', list, 0, integer(excess - 1))) end
end
if verb == 'end' then
  if not lives and redis.call('ZSCORE', KEYS[4], id) then return {1} end
  forget(index, {id})
  redis.call('ZADD', KEYS[4], integer(now), id)
  bound(KEYS[4], cap)
  redis.call('PEXPIRE', KEYS[4], lifetime)
  local sequence = redis.call('INCR', KEYS[5])
  redis.call('PUBLISH', ARGV[5], 'session ' .. id .. ' 0 ' .. integer(sequence) .. ' ' .. ARGV[6])
  return {0, '', '', '', ''}
end
if not lives and verb ~= 'create' then
  if verb == 'touch' or redis.call('ZSCORE', KEYS[4], id) then return {1} end
end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[3], id, ARGV[8]) end
if ARGV[9] ~= '' then redis.call('HSET', KEYS[3], id .. ' level', ARGV[9]) end
if ARGV[10] ~= '' then redis.call('HSET', KEYS[3], id .. ' revision', ARGV[10]) end
if ARGV[11] ~= '' then redis.call('HSET', KEYS[3], id .. ' key', ARGV[11]) end
redis.call('ZADD', index, integer(now), id)
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], lifetime) end
if verb ~= 'touch' then
  local reserve = math.floor(cap / 10)
  bound(KEYS[1], cap - reserve)
  bound(KEYS[2], math.max(cap - redis.call('ZCARD', KEYS[1]), reserve))
end
local kept = redis.call('HMGET', KEYS[3], id, id .. ' level', id .. ' revision', id .. ' key')
return {0, kept[1] or '', kept[2] or '', kept[3] or '', kept[4] or ''}
