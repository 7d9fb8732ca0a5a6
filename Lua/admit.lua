-- admit: takes everything that one call (or one batch) needs, or takes nothing and says which check refused.
-- KEYS  balance, hold, holding, [call], ring...
-- ARGV  hold, version, price, calls, dry, value, account, fingerprint, retention, node, {limit, cap, window, cost}...
-- REPLY {0 admitted, credits, {remaining, reset}...} {1 stale} {2 expired} {3 ring, limit#, wait, credits} {4 insufficient, credits}
--       {5 spending limit, credits} {6 running} {7 replay, answer} {8 conflict} {9 abandoned} {10 gone}
-- EFFECT balance falls by price, windows grow by their cost, the hold and the call record are written; `dry` has none. A hold that
-- is open is admitted again without a further effect; one that was closed for good is not opened any more.
-- price and calls are integers below 2^53, windows and waits microseconds of Redis TIME; retention is milliseconds.
--#include whole
--#include ring
local hold, version, price, dry, fingerprint = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5] == '1', ARGV[8]
local ring_key = 3

if fingerprint ~= '' then
  ring_key = 4
  local call = redis.call('HMGET', KEYS[4], 'fingerprint', 'answer', 'hold')
  if call[1] then
    if call[1] ~= fingerprint then return {8} end
    if call[2] then return {7, call[2]} end
    if call[3] ~= hold then return {6} end
  end
end

local fields = {'credits', 'spent', 'calls', 'version', 'expires', 'limit', 'holding', 'closed:' .. hold}
for i = 11, #ARGV, 4 do fields[#fields + 1] = 'ring:' .. ARGV[i] end
local account = redis.call('HMGET', KEYS[1], unpack(fields))
if not account[1] then return {10} end
if account[8] then return {9} end
local credits, spent = tonumber(account[1]), tonumber(account[2])

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rings, count = {}, 0
for i = 11, #ARGV, 4 do
  count = count + 1
  local ring = ring_open(
    KEYS[ring_key + count], account[8 + count], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))
  ring_advance(ring, now)
  rings[count] = ring
end

local function refusal()
  if account[4] ~= version then return {1} end
  local expires = tonumber(account[5] or 0)
  if expires > 0 and now >= expires * 1000 then return {2} end
  for index = 1, count do
    if ring_free(rings[index]) < rings[index].cost then return {3, index, ring_wait(rings[index], now), credits} end
  end
  if price > credits then return {4, credits} end
  local limit = tonumber(account[6] or 0)
  if limit > 0 and spent + price > limit then return {5, credits} end
end

local function admitted()
  local reply = {0, credits}
  for index = 1, count do
    local ring = rings[index]
    reply[#reply + 1] = math.max(0, ring_free(ring))
    reply[#reply + 1] = ring.first < ring.last and ring.oldest + ring.window - now or ring.window
  end
  return reply
end

local refused = refusal()
if dry then
  for index = 1, count do ring_take(rings[index], now) end
  return refused or admitted()
end
if refused then
  return redis.call('HEXISTS', KEYS[2], hold) == 1 and admitted() or refused
end
if redis.call('HSETNX', KEYS[2], hold, ARGV[6]) == 0 then return admitted() end

credits = credits - price
local changes = {
  'credits', whole(credits), 'spent', whole(spent + price), 'calls', whole(account[3] + ARGV[4]), 'used', whole(now / 1000),
}
for index = 1, count do
  local ring = rings[index]
  ring_write(ring, now)
  ring_take(ring, now)
  changes[#changes + 1] = 'ring:' .. ARGV[7 + index * 4]
  changes[#changes + 1] = ring_pack(ring)
end
if not account[7] then
  redis.call('SADD', KEYS[3], ARGV[7])
  changes[#changes + 1] = 'holding'
  changes[#changes + 1] = '1'
end
redis.call('HSET', KEYS[1], unpack(changes))
if fingerprint ~= '' then
  redis.call('HSET', KEYS[4], 'fingerprint', fingerprint, 'hold', hold, 'node', ARGV[10])
  redis.call('PEXPIRE', KEYS[4], ARGV[9])
end
return admitted()
