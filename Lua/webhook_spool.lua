-- webhook_spool: what the events of a page mean to the sinks, and how far the streams have been read, in one step.
-- KEYS  cursors, counts, due, due of keys, {queue, state}...
-- ARGV  flush, batch, room, cursors, {field, expected, next}..., sinks, {name, list, capacity}..., events, {event}..., {sink#, event#}...
-- REPLY {0 done, {sink, dropped}...} {1 a cursor is elsewhere}
-- EFFECT if every cursor is where its page began, each goes to where it ends, and every pair of sink and event is in the sink's queue: at its
-- end, or counted as dropped where the queue has `capacity` events, or all queues of keys have `room`. `list` is 1 for sinks of the gate,
-- 2 for those of keys. A sink is due after `flush` ms, and at once with `batch` events; one that waits for its next attempt goes on waiting.
local at = 4
local function list(width)
  local count, values = tonumber(ARGV[at]), {}
  for i = 1, count * width do values[i] = ARGV[at + i] end
  at = at + 1 + count * width
  return values
end
local cursors, sinks, events = list(3), list(3), list(1)
for i = 1, #cursors, 3 do
  if (redis.call('HGET', KEYS[1], cursors[i]) or '') ~= cursors[i + 1] then return {1} end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local batch, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local waiting = tonumber(redis.call('HGET', KEYS[2], 'waiting:keys') or 0)
local queued, lengths, dropped = {}, {}, {}
for i = at, #ARGV, 2 do
  local sink = tonumber(ARGV[i])
  local ofKey = sinks[sink * 3 - 1] == '2'
  if not queued[sink] then
    queued[sink], dropped[sink] = {}, 0
    lengths[sink] = redis.call('LLEN', KEYS[3 + sink * 2])
  end
  local own = queued[sink]
  if lengths[sink] + #own >= tonumber(sinks[sink * 3]) or (ofKey and waiting >= room) then
    dropped[sink] = dropped[sink] + 1
  else
    own[#own + 1] = events[tonumber(ARGV[i + 1])]
    if ofKey then waiting = waiting + 1 end
  end
end
local losses = {0}
for sink, own in pairs(queued) do
  local name, place = sinks[sink * 3 - 2], tonumber(sinks[sink * 3 - 1])
  if #own > 0 then
    redis.call('RPUSH', KEYS[3 + sink * 2], unpack(own))
    redis.call('HINCRBY', KEYS[2], 'waiting', #own)
    if place == 2 then redis.call('HINCRBY', KEYS[2], 'waiting:keys', #own) end
    local due = redis.call('ZSCORE', KEYS[2 + place], name)
    if not due then
      redis.call('ZADD', KEYS[2 + place], lengths[sink] + #own >= batch and now or now + ARGV[1], name)
    elseif tonumber(due) > now and lengths[sink] + #own >= batch and (redis.call('HGET', KEYS[4 + sink * 2], 'attempts') or '0') == '0' then
      redis.call('ZADD', KEYS[2 + place], now, name)
    end
  end
  if dropped[sink] > 0 then
    losses[#losses + 1], losses[#losses + 2] = name, dropped[sink]
    redis.call('HINCRBY', KEYS[2], 'dropped', dropped[sink])
    if place == 1 then redis.call('HINCRBY', KEYS[2], 'dropped:' .. name, dropped[sink]) end
  end
end
for i = 1, #cursors, 3 do redis.call('HSET', KEYS[1], cursors[i], cursors[i + 2]) end
return losses
