-- beat: one heartbeat of a node: it says that it lives, hears who does not, and drives the change feed's own heartbeat.
-- KEYS  nodes, feed
-- ARGV  node, lifetime, channel, leaving
-- REPLY {now, sequence, members, dead...}: now in microseconds of Redis TIME
-- EFFECT the node's time of life is written; `0 0 <sequence> <node>` is published; nodes that left or were reaped are forgotten by `leaving`.
-- A gap in everybody's beats means that Redis was away and not the nodes: nobody is declared dead for one lifetime after it.
--#include whole
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lifetime = tonumber(ARGV[2]) * 1000
if ARGV[4] == '1' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return {now, 0, 0}
end
local entries = redis.call('HGETALL', KEYS[1])
local newest, grace, dead, members = 0, 0, {}, 1
for i = 1, #entries, 2 do
  if entries[i] == 'grace' then
    grace = tonumber(entries[i + 1])
  else
    newest = math.max(newest, tonumber(entries[i + 1]))
  end
end
if newest > 0 and now - newest > lifetime / 2 then
  grace = now + lifetime
  redis.call('HSET', KEYS[1], 'grace', whole(grace))
end
for i = 1, #entries, 2 do
  if entries[i] ~= 'grace' and entries[i] ~= ARGV[1] then
    if now - tonumber(entries[i + 1]) <= lifetime then
      members = members + 1
    elseif now > grace then
      dead[#dead + 1] = entries[i]
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], whole(now))
local sequence = tonumber(redis.call('GET', KEYS[2]) or '0')
redis.call('PUBLISH', ARGV[3], '- 0 ' .. whole(sequence) .. ' ' .. ARGV[1])
return {now, sequence, members, unpack(dead)}
