-- windows: what rolling windows of an account hold at this moment, and its credits; for readings.
-- KEYS  account, ring...
-- ARGV  windows, {meter, cap, window}...
-- REPLY {credits, {used, reset}...}: reset is how long (microseconds) until the oldest admission leaves, the whole window where there is none
-- EFFECT none
--#include ring
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local names = {'credits'}
for i = 1, tonumber(ARGV[1]) do names[i + 1] = 'm:' .. ARGV[3 * i - 1] end
local values = redis.call('HMGET', KEYS[1], unpack(names))
local reply = {values[1] or '0'}
for i = 2, #names do
  local ring = ring_open(KEYS[i], values[i] or '', tonumber(ARGV[3 * i - 3]), tonumber(ARGV[3 * i - 2]))
  -- What is from the future (the clock has stepped back) counts as now; bringing it down is for who writes.
  if ring.newest <= now then ring_advance(ring, now) end
  local used = ring.last - ring.first
  reply[#reply + 1] = used
  reply[#reply + 1] = used > 0 and math.min(ring.window, math.max(0, ring.oldest + ring.window - now)) or ring.window
end
return reply
