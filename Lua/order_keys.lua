-- order_keys: puts keys into the orders by what their accounts say now, and counts them as they are now.
-- KEYS  touched, changed, sums, credits, spent, calls, used, account..., record...
-- ARGV  format, most, records, from, to, {id}...
-- REPLY {0, keys that have an account}
-- EFFECT each of the four orders lists each of the keys by its balance, what it has spent without what is reserved, its calls and its last
-- use (ms, 0 for never); `touched` and `changed` do not list it any more. `sums` has of each state and namespace, and of each day of making,
-- what its keys add up to: each account notes what of it is in there (`counted`, `counted.in`), and the difference is added. Whoever sends
-- it, late or twice: what it writes is what is true then. Sums of an older format are begun anew, of a newer one left alone; what an account
-- noted of the ones before is nothing. Where they have come to `from` by going through all keys they have come to `to` now, '' for the end.
-- A namespace that would make more than `most` fields is counted as '*', a day of making that would make more than half as many as day 0. Records are read of keys that are in `changed` or noted nothing
-- yet, as calls change none; of all of them where `records` is 'all'.
--#include integer
local ids, count = {}, #ARGV - 5
for i = 1, count do ids[i] = ARGV[5 + i] end
local changed = {}
if count > 0 then
  if ARGV[3] ~= 'all' then changed = redis.call('ZMSCORE', KEYS[2], unpack(ids)) end
  redis.call('SREM', KEYS[1], unpack(ids))
  redis.call('ZREM', KEYS[2], unpack(ids))
end
local time, sums = redis.call('TIME'), KEYS[3]
local now = math.floor(time[1] * 1000 + time[2] / 1000)
local begun = redis.call('HMGET', sums, 'format', 'begun', 'next')
local format, generation, place = tonumber(begun[1] or '0'), begun[2], begun[3]
if format < tonumber(ARGV[1]) then
  generation, place = string.format('%x', time[1] * 1000000 + time[2]), '0'
  redis.call('UNLINK', sums)
  redis.call('HSET', sums, 'format', ARGV[1], 'begun', generation, 'next', place)
end
local counts = format <= tonumber(ARGV[1])

local differences, room = {}, {}
local function add(field, amount) differences[field] = (differences[field] or 0) + amount end
-- Sums pass what a number of Lua holds, so billions are counted apart.
local BILLION = 1000000000
local function move(small, large, row, from, to)
  if from == to then return end
  add(small .. row, to % BILLION - from % BILLION)
  local billions = math.floor(to / BILLION) - math.floor(from / BILLION)
  if billions ~= 0 then add(large .. row, billions) end
end
-- A key of a state, namespace and day goes from some amounts to others: its credits, spending and calls.
local function moveKey(state, namespace, day, credits, spent, calls, toCredits, toSpent, toCalls)
  local row = ':' .. state .. ':' .. namespace
  move('c', 'C', row, credits, toCredits)
  move('s', 'S', row, spent, toSpent)
  move('k', 'K', row, calls, toCalls)
  if state ~= 'a' and state ~= 'e' then return end
  move('s', 'S', ':d:' .. day, spent, toSpent)
  local used = (toCalls > 0 and 1 or 0) - (calls > 0 and 1 or 0)
  if used ~= 0 then add('u:d:' .. day, used) end
end
local function countKey(state, namespace, day, sign)
  add('n:' .. state .. ':' .. namespace, sign)
  if state == 'a' or state == 'e' then add('n:d:' .. day, sign) end
end
local function hasRoom(row, most)
  if room[row] == nil then
    room[row] = redis.call('HEXISTS', sums, 'n:' .. row) == 1 or redis.call('HLEN', sums) < most
  end
  return room[row]
end

local states = {active = 'a', suspended = 's', revoked = 'r'}
local orders = {{}, {}, {}, {}}
for i, id in ipairs(ids) do
  local name = KEYS[7 + i]
  local account = redis.call('HMGET', name, 'credits', 'spent', 'calls', 'used', 'held', 'counted', 'counted.in')
  local spent, held, credits, calls = tonumber(account[2] or '0'), tonumber(account[5] or '0'), tonumber(account[1]), tonumber(account[3] or '0')
  if credits and spent and held then
    spent = spent - held
    local spending = held == 0 and account[2] or integer(spent)
    for order, value in ipairs({account[1], spending, account[3] or '0', account[4] or '0'}) do
      local places = orders[order]
      places[#places + 1] = value
      places[#places + 1] = id
    end
    local begunBy, was, day, wasCredits, wasSpent, wasCalls, state, namespace
    if account[6] then
      begunBy, was, day, wasCredits, wasSpent, wasCalls = string.match(account[6], '^(%x+) (%a) (%-?%d+) (%-?%d+) (%-?%d+) (%-?%d+)$')
      if begunBy ~= generation then was = nil end
    end
    local wasDay = day
    if counts and calls and was and ARGV[3] ~= 'all' and not changed[i] then
      state, namespace = was, account[7]
    elseif counts and calls then
      local record = redis.call('HMGET', KEYS[7 + count + i], 'state', 'created', 'expires', 'namespace', 'expiry_told')
      local created, expires = tonumber(record[2]), tonumber(record[3] or '0')
      if states[record[1]] and created and expires then
        state, day = states[record[1]], integer(math.floor(created / 86400000))
        -- The clock of the server that told of it may have been ahead of this one, which nobody would ask again.
        if state == 'a' and expires > 0 and (expires <= now or tonumber(record[5]) == expires) then state = 'e' end
        if (state == 'a' or state == 'e') and not hasRoom('d:' .. day, tonumber(ARGV[2]) / 2) then day = '0' end
        namespace = record[4] and record[4] ~= '' and record[4] or 'default'
        if not hasRoom(state .. ':' .. namespace, tonumber(ARGV[2])) then namespace = '*' end
      end
    end
    if state and namespace then
      local noted = generation .. ' ' .. state .. ' ' .. day .. ' ' .. account[1] .. ' ' .. spending .. ' ' .. (account[3] or '0')
      local moves = namespace ~= account[7]
      if noted ~= account[6] or moves then
        local c, s, k = tonumber(wasCredits), tonumber(wasSpent), tonumber(wasCalls)
        if not (was == state and wasDay == day) or moves then
          if was then
            countKey(was, account[7] or '', wasDay, -1)
            moveKey(was, account[7] or '', wasDay, c, s, k, 0, 0, 0)
          end
          countKey(state, namespace, day, 1)
          c, s, k = 0, 0, 0
        end
        moveKey(state, namespace, day, c, s, k, credits, spent, calls)
        if moves then redis.call('HSET', name, 'counted', noted, 'counted.in', namespace) else redis.call('HSET', name, 'counted', noted) end
      end
    end
  end
end
for field, difference in pairs(differences) do
  if difference ~= 0 and redis.call('HINCRBY', sums, field, integer(difference)) == 0 then redis.call('HDEL', sums, field) end
end
if counts and ARGV[4] ~= '' and place == ARGV[4] then
  if ARGV[5] == '' then redis.call('HSET', sums, 'built', '1') else redis.call('HSET', sums, 'next', ARGV[5]) end
end
if #orders[1] > 0 then
  for order, places in ipairs(orders) do redis.call('ZADD', KEYS[3 + order], unpack(places)) end
end
return {0, #orders[1] / 2}
