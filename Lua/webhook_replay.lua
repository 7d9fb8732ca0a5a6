-- webhook_replay: dead letters are delivered once more: an operation, of which this is the only step or one of several.
-- KEYS  operation, audit, counts, dead letters, due, due of keys, queue...
-- ARGV  fingerprint, retention, audit event, retained, chosen, last, then for each letter: name, list, capacity, letter, events, {event}...
-- REPLY {0 done, replayed by all steps, letters left} {1 the operation id was used for another request}
-- EFFECT a letter that is still there, and for whose events its sink's queue has room, is gone, and they are at the end of that queue, as if
-- none of them had been tried; `list` as in webhook_spool. The first step writes the audit entry and what was `chosen`; `last` (1) ends the
-- operation, which answers from then on, for `retention` ms, what it has come to.
--#include integer
local done = redis.call('HMGET', KEYS[1], 'fingerprint', 'replayed', 'left')
if done[1] and done[1] ~= ARGV[1] then return {1} end
if done[3] then return {0, tonumber(done[2]), tonumber(done[3])} end
if not done[1] then
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'chosen', ARGV[5])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[3])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local replayed, at = tonumber(done[2] or 0), 7
for queue = 7, #KEYS do
  local list, events = tonumber(ARGV[at + 1]), {}
  for i = 1, tonumber(ARGV[at + 4]) do events[i] = ARGV[at + 4 + i] end
  local hasRoom = redis.call('LLEN', KEYS[queue]) + #events <= tonumber(ARGV[at + 2])
  if hasRoom and redis.call('LREM', KEYS[4], 1, ARGV[at + 3]) == 1 then
    redis.call('RPUSH', KEYS[queue], unpack(events))
    redis.call('HINCRBY', KEYS[3], 'waiting', #events)
    if list == 2 then redis.call('HINCRBY', KEYS[3], 'waiting:keys', #events) end
    redis.call('ZADD', KEYS[4 + list], 'NX', now, ARGV[at])
    replayed = replayed + 1
  end
  at = at + 5 + #events
end
local left = redis.call('LLEN', KEYS[4])
redis.call('HSET', KEYS[1], 'replayed', integer(replayed))
if ARGV[6] == '1' then redis.call('HSET', KEYS[1], 'left', integer(left)) end
return {0, replayed, left}
