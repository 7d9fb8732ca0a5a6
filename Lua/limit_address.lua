-- limit_address: one visit under an exact sliding window that belongs to an address and not to a key.
-- KEYS  window
-- ARGV  cap, window
-- REPLY {0 admitted, remaining} {1 refused, wait}
-- EFFECT the visit is remembered for one window; a refused one is not. window and wait are milliseconds of Redis TIME; visits from the
-- future (the clock has stepped back) count as of now.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local cap, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local visits = redis.call('GET', KEYS[1]) or ''
local at = 1
while at < #visits and struct.unpack('<d', visits, at) + window < now do at = at + 8 end
visits = string.sub(visits, at)
if #visits > 0 and struct.unpack('<d', visits, #visits - 7) > now then
  visits = string.rep(struct.pack('<d', now), #visits / 8)
  redis.call('SET', KEYS[1], visits, 'PX', ARGV[2])
end
if #visits / 8 >= cap then
  return {1, math.floor(struct.unpack('<d', visits, (#visits / 8 - cap) * 8 + 1) + window - now) + 1}
end
redis.call('SET', KEYS[1], visits .. struct.pack('<d', now), 'PX', ARGV[2])
return {0, cap - #visits / 8 - 1}
