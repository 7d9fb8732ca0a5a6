-- webhook_replay: a dead letter is delivered once more.
-- KEYS  counts, due, queue, dead letters
-- ARGV  name, list, capacity, dead letter, events, {event}...
-- REPLY {0 queued} {1 there is no such letter any more} {2 the queue has no room}
-- EFFECT the letter is gone and its events are at the end of the sink's queue, as if none of them had been tried. `list` as in webhook_spool.
local events = {}
for i = 1, ARGV[5] do events[i] = ARGV[5 + i] end
if redis.call('LLEN', KEYS[3]) + #events > tonumber(ARGV[3]) then return {2} end
if redis.call('LREM', KEYS[4], 1, ARGV[4]) == 0 then return {1} end
redis.call('RPUSH', KEYS[3], unpack(events))
redis.call('HINCRBY', KEYS[1], 'waiting', #events)
if ARGV[2] == '2' then redis.call('HINCRBY', KEYS[1], 'waiting:keys', #events) end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
return {0}
