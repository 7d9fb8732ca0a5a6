-- admit: takes everything that one call (or one batch) needs, or takes nothing and says which check refused.
-- KEYS  balance, hold, holding, [call], ring...
-- ARGV  hold, version, price, calls, dry, value, account, fingerprint, retention, node, {limit, cap, window, cost}...
-- REPLY {0 admitted, credits, remaining, reset...} {1 stale} {2 expired} {3 ring, limit#, wait, credits} {4 insufficient, credits}
--       {5 spending limit, credits} {6 running} {7 replay, answer} {8 conflict} {9 abandoned} {10 gone}
-- EFFECT balance falls by price, windows grow by their cost, the hold and the call record are written; `dry` has none.
-- price and calls are integers below 2^53, windows and waits microseconds of Redis TIME; retention is milliseconds.
--#include whole
--#include ring
local function refuse(...)
  if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {0, tonumber(redis.call('HGET', KEYS[1], 'credits'))} end
  return {...}
end

local ring_keys = 3
if ARGV[8] ~= '' then
  ring_keys = 4
  local call = redis.call('HMGET', KEYS[4], 'fingerprint', 'answer', 'hold')
  if call[1] and call[3] ~= ARGV[1] then
    if call[1] ~= ARGV[8] then return {8} end
    if call[2] then return {7, call[2]} end
    return {6}
  end
end

local fields = {'credits', 'spent', 'calls', 'version', 'expires', 'limit', 'holding'}
for i = 11, #ARGV, 4 do fields[#fields + 1] = 'ring:' .. ARGV[i] end
local account = redis.call('HMGET', KEYS[1], unpack(fields))
if not account[1] then return {10} end
if account[4] ~= ARGV[2] then return refuse(1) end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if account[5] and tonumber(account[5]) > 0 and now >= tonumber(account[5]) * 1000 then return refuse(2) end

local credits, price, calls = tonumber(account[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local spent = tonumber(account[2])
local rings, windows = {}, {}
for i = 11, #ARGV, 4 do
  local index = (i - 11) / 4 + 1
  local key, cap, window, cost = KEYS[ring_keys + index], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local ring = ring_open(account[7 + index], cap)
  ring_advance(key, ring, now, window)
  if ring.last - ring.first + cost > cap then
    return refuse(3, index, ring_wait(key, ring, now, window, cap, cost), credits)
  end
  rings[index] = ring
  windows[#windows + 1] = cap - (ring.last - ring.first) - cost
  windows[#windows + 1] = ring.oldest and ring.oldest + window - now or window
end
if price > credits then return refuse(4, credits) end
local limit = tonumber(account[6] or '0')
if limit > 0 and spent + price > limit then return refuse(5, credits) end
if ARGV[5] == '1' then return {0, credits, unpack(windows)} end

if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[6]) == 0 then
  if redis.call('HGET', KEYS[2], ARGV[1]) == '' then return {9} end
  return {0, credits, unpack(windows)}
end
local changes = {
  'credits', whole(credits - price), 'spent', whole(spent + price), 'calls', whole(tonumber(account[3]) + calls),
  'used', whole(math.floor(now / 1000)),
}
for i = 11, #ARGV, 4 do
  local index = (i - 11) / 4 + 1
  local ring, key = rings[index], KEYS[ring_keys + index]
  if ring.size ~= tonumber(ARGV[i + 1]) then ring_resize(key, ring, tonumber(ARGV[i + 1])) end
  ring_take(key, ring, now, tonumber(ARGV[i + 3]))
  changes[#changes + 1] = 'ring:' .. ARGV[i]
  changes[#changes + 1] = ring_pack(ring)
end
if not account[7] then
  redis.call('SADD', KEYS[3], ARGV[7])
  changes[#changes + 1] = 'holding'
  changes[#changes + 1] = '1'
end
redis.call('HSET', KEYS[1], unpack(changes))
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[4], 'fingerprint', ARGV[8], 'hold', ARGV[1], 'node', ARGV[10])
  redis.call('PEXPIRE', KEYS[4], ARGV[9])
end
return {0, credits - price, unpack(windows)}
