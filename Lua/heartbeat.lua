-- heartbeat: one heartbeat of a node: it says that it lives, hears who does not, and drives the change feed's own heartbeat.
-- KEYS  nodes, feed
-- ARGV  node, lifetime, channel, verb
-- REPLY {now, sequence, members, dead...}: now in microseconds of Redis TIME; members is 0 for a node that was struck off
-- EFFECT `join` and `beat` write the node's time of life and publish its heartbeat; `beat` does so only for a node that is on the list;
-- `leave` declares the node dead at once, `forget` strikes it off if it is dead (its open holds are resolved). lifetime is milliseconds.
-- A gap in everybody's beats means that Redis was away and not the nodes: nobody is declared dead for one lifetime after it. A beat from
-- the future (the clock has stepped back) counts as one of now.
--#include integer
local node, lifetime, verb = ARGV[1], tonumber(ARGV[2]) * 1000, ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if verb == 'leave' then
  redis.call('HSET', KEYS[1], node, '0')
  return {now, 0, 0}
end
if verb == 'forget' then
  if now - (redis.call('HGET', KEYS[1], node) or now) > lifetime then redis.call('HDEL', KEYS[1], node) end
  return {now, 0, 0}
end

local entries = redis.call('HGETALL', KEYS[1])
local beats, newest, grace = {}, 0, 0
for i = 1, #entries, 2 do
  local value = tonumber(entries[i + 1])
  if entries[i] == 'grace' then
    grace = value
    if grace > now + lifetime then
      grace = now + lifetime
      redis.call('HSET', KEYS[1], 'grace', integer(grace))
    end
  else
    if value > now then
      value = now
      redis.call('HSET', KEYS[1], entries[i], integer(now))
    end
    beats[entries[i]] = value
    newest = math.max(newest, value)
  end
end
if verb == 'beat' and (beats[node] or 0) == 0 then return {now, 0, 0} end
if newest > 0 and now - newest > lifetime / 2 then
  grace = now + lifetime
  redis.call('HSET', KEYS[1], 'grace', integer(grace))
end
local dead, members = {}, 1
for name, beat in pairs(beats) do
  if name ~= node then
    if now - beat <= lifetime then
      members = members + 1
    elseif beat == 0 or now > grace then
      dead[#dead + 1] = name
    end
  end
end
redis.call('HSET', KEYS[1], node, integer(now))
local sequence = tonumber(redis.call('GET', KEYS[2]) or '0')
redis.call('PUBLISH', ARGV[3], 'beat - 0 ' .. integer(sequence) .. ' ' .. node)
return {now, sequence, members, unpack(dead)}
