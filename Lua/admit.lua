-- admit: decides the admissions of one tick of one event loop, each for itself: takes everything that a call needs, or nothing.
-- KEYS  open holds of the node, versions, account or ring or call or audit...
-- ARGV  guards, {guard name}..., then for each call:
--       hold, until, mode, price, calls, event, primary, call key#, fingerprint, patience, refill,
--       {guard version}...,
--       accounts, {key#, id, version, funded}..., limits, {account#, meter, kind, cap, warns, amount, x, y, z}...
-- REPLY for each call an array: {0 admitted, credits, {remaining, reset}...} {1 stale} {2 late, now} {3 fenced} {4 expired}
--       {5 limit, limit#, wait, credits, remaining, reset} {6 insufficient, account#, credits, remaining, reset}
--       {7 spending limit, account#, credits, remaining, reset} {8 running} {9 replay, answer} {10 conflict} {11 closed} {12 gone, account#}
--       {13 unanswered} {14 fault, why}; a refusal reads the last rolling window of the call, remaining -1 where it has none
-- EFFECT funded accounts (1) fall by price and all but bare ones (2) have it spent, meters grow, the hold and the call record are written; a `dry` one has no
-- effect. A hold that is open is admitted again without a further effect; one that is closed is not opened any more. Mode `again` asks
-- once more for what may be on its way already: a refusal is then marked, so that the other copy opens nothing when it comes.
-- key# is a place in KEYS. primary is the shard whose hold of the same name decides what this one is charged, '' where it is this one.
-- refill is '' or `audit# threshold amount most event`: where the call leaves less than threshold in its first account, amount is added to it
-- in the same step, most times a UTC day (0 for any number), with its entry in the audit stream.
-- patience is for how long (ms) the call record waits for its end: longer than any call takes, whatever its answer is kept for.
-- until and now: ms, windows, spans and waits: microseconds of Redis TIME. Kinds of limits: r a rolling window
-- (x ring key#, y window), n and c calls and credits of a period (x its number, y its start, z its end; 0, 0, 0 is the lifetime), o open
-- calls. What is given back when the call ends stands in the hold: nobody has to be believed.
--#include integer
--#include account
--#include ring
--#include hold
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local milliseconds = math.floor(now / 1000)
local AUDITED = 10000
local guards, at = {}, 2
for i = 1, tonumber(ARGV[1]) do
  guards[i] = ARGV[at]
  at = at + 1
end
local guarded = #guards > 0 and redis.call('HMGET', KEYS[2], unpack(guards)) or {}

-- The calls as they were asked.
local calls, holds = {}, {'!'}
while at <= #ARGV do
  local call = {
    hold = ARGV[at], till = tonumber(ARGV[at + 1]), dry = ARGV[at + 2] == 'dry', again = ARGV[at + 2] == 'again', price = tonumber(ARGV[at + 3]), count = tonumber(ARGV[at + 4]),
    event = ARGV[at + 5], primary = ARGV[at + 6], record = tonumber(ARGV[at + 7]), fingerprint = ARGV[at + 8], patience = ARGV[at + 9],
    refill = ARGV[at + 10], guards = at + 11, accounts = {}, limits = {},
  }
  at = at + 11 + #guards
  for i = 1, tonumber(ARGV[at]) do
    call.accounts[i] = {
      index = tonumber(ARGV[at + 1]), id = ARGV[at + 2], version = ARGV[at + 3], funded = ARGV[at + 4] == '1', bare = ARGV[at + 4] == '2', names = {},
    }
    at = at + 4
  end
  if call.refill ~= '' then call.accounts[1].names = {'refills', 'held'} end
  at = at + 1
  for i = 1, tonumber(ARGV[at]) do
    local limit = {
      account = tonumber(ARGV[at + 1]), name = 'm:' .. ARGV[at + 2], kind = ARGV[at + 3], cap = tonumber(ARGV[at + 4]),
      warns = ARGV[at + 5] == '1', amount = tonumber(ARGV[at + 6]), x = tonumber(ARGV[at + 7]), y = tonumber(ARGV[at + 8]), z = tonumber(ARGV[at + 9]),
    }
    call.limits[i] = limit
    local names = call.accounts[limit.account].names
    names[#names + 1] = limit.name
    at = at + 9
  end
  at = at + 1
  calls[#calls + 1] = call
  holds[#holds + 1] = call.hold
end
local open = redis.call('HMGET', KEYS[1], unpack(holds))
local rings, opened, fresh, refills = {}, {}, {}, {}

local function measure(limit, account)
  if limit.kind == 'r' then
    local ring = rings[limit.x]
    if not ring then
      ring = ring_open(KEYS[limit.x], account.meters[limit.name], limit.cap, limit.y)
      ring.account, ring.name = account, limit.name
      if ring_advance(ring, now) then account_set(account, limit.name, ring_pack(ring)) end
      rings[limit.x] = ring
    end
    limit.ring, limit.used = ring, limit.cap - ring_free(ring)
  elseif limit.kind == 'o' then
    limit.used = tonumber(account.meters[limit.name] == '' and 0 or account.meters[limit.name])
  else
    limit.used, limit.period = meter_read(account.meters[limit.name], limit.x)
  end
  if not limit.used then error('a corrupt meter') end
end

local function over(limit) return not limit.warns and limit.used + limit.amount > limit.cap end

local function ring_reset(ring) return ring.first < ring.last and ring.oldest + ring.window - now or ring.window end

-- A refusal, with what is left of the last rolling window of the call.
local function refused(call, reply)
  reply[#reply + 1], reply[#reply + 2] = -1, 0
  for _, limit in ipairs(call.limits) do
    local ring = limit.ring
    if ring then reply[#reply - 1], reply[#reply] = ring_free(ring), ring_reset(ring) end
  end
  return reply
end

local function refusal(call)
  for number, limit in ipairs(call.limits) do
    if (limit.kind == 'r' or limit.kind == 'o') and over(limit) then
      return refused(call, {5, number, limit.ring and ring_wait(limit.ring, limit.amount, now) or 0, call.accounts[1].loaded.credits})
    end
  end
  for place, leg in ipairs(call.accounts) do
    local account = leg.loaded
    if leg.funded and call.price > account.credits then return refused(call, {6, place, account.credits}) end
    if account.limit > 0 and account.spent + call.price > account.limit then
      return refused(call, {7, place, call.accounts[1].loaded.credits})
    end
    for number, limit in ipairs(call.limits) do
      if limit.account == place and limit.kind ~= 'r' and limit.kind ~= 'o' and over(limit) then
        return refused(call, {5, number, limit.z > 0 and limit.z - now or 0, call.accounts[1].loaded.credits})
      end
    end
  end
end

-- What is added to the first account with this call, if anything is; before anything has changed.
local function refill_of(call)
  if call.refill == '' then return nil end
  local audit, threshold, amount, most, event = string.match(call.refill, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if not audit then return nil end
  local account = call.accounts[1].loaded
  local left = account.credits - call.price
  if call.price == 0 or left >= tonumber(threshold) or left + (tonumber(account.meters.held) or 0) + tonumber(amount) > 9007199254740991 then return nil end
  local count, day = meter_read(account.meters.refills, math.floor(milliseconds / 86400000))
  if not count then error('a corrupt meter') end
  if tonumber(most) > 0 and count >= tonumber(most) then return nil end
  return {amount = tonumber(amount), count = integer(day) .. ':' .. integer(count + 1), audit = KEYS[tonumber(audit)], event = event}
end

-- `taken`: what the readings have to count that the meters do not show yet.
local function admitted(call, taken)
  local reply = {0, call.accounts[1].loaded.credits}
  for _, limit in ipairs(call.limits) do
    local ring = limit.ring
    local used = ring and limit.cap - ring_free(ring) or limit.used
    reply[#reply + 1] = limit.cap - used - (taken and limit.amount or 0)
    reply[#reply + 1] = ring and ring_reset(ring) or (limit.z or 0) > 0 and limit.z - now or 0
  end
  return reply
end

local function take(call)
  local legs, counts, refill = {}, {}, refill_of(call)
  for i, leg in ipairs(call.accounts) do
    local account = leg.loaded
    if leg.funded then account.credits = account.credits - call.price end
    if not leg.bare then account.spent, account.calls, account.dirty = account.spent + call.price, account.calls + call.count, true end
    legs[i * 2 - 1], legs[i * 2] = leg.id, leg.bare and 2 or leg.funded and 1 or 0
  end
  if refill then
    local account = call.accounts[1].loaded
    account.credits, account.added = account.credits + refill.amount, (account.added or 0) + refill.amount
    account_set(account, 'refills', refill.count)
    refills[#refills + 1] = refill
  end
  for _, limit in ipairs(call.limits) do
    local account = call.accounts[limit.account].loaded
    if limit.ring then
      ring_take(limit.ring, limit.amount, now)
    else
      limit.used = limit.used + limit.amount
      account_set(account, limit.name, limit.kind == 'o' and integer(limit.used) or integer(limit.period) .. ':' .. integer(limit.used))
      for _, value in ipairs({limit.account, limit.name, limit.kind, limit.period or 0, limit.amount}) do counts[#counts + 1] = value end
    end
  end
  if call.record > 0 then
    redis.call('HSET', KEYS[call.record], 'fingerprint', call.fingerprint, 'hold', call.hold)
    redis.call('PEXPIRE', KEYS[call.record], call.patience)
  end
  fresh[call.hold] = 'o'
  opened[#opened + 1] = call.hold
  opened[#opened + 1] = hold_open(
    call.price, call.count, legs, counts, call.record > 0 and KEYS[call.record] or '', call.primary, call.event)
end

-- A further copy of an admission that was carried out, whatever has changed since: its caller has to learn that the hold is open.
local function repeated(call)
  for _, leg in ipairs(call.accounts) do
    leg.loaded = account_load(leg.index, leg.names, leg.bare)
    if not leg.loaded then error('an account that is gone') end
  end
  for _, limit in ipairs(call.limits) do measure(limit, call.accounts[limit.account].loaded) end
  return admitted(call)
end

local function decide(call, held)
  if held then return string.sub(held, 1, 1) == 'd' and {11} or repeated(call) end
  if open[1] ~= '1' then return {3} end
  if milliseconds > call.till then return {2, milliseconds} end
  for i = 1, #guards do
    local version = ARGV[call.guards + i - 1]
    if tonumber(guarded[i] or 0) > tonumber(version) then return {1} end
  end
  for place, leg in ipairs(call.accounts) do
    leg.loaded = account_load(leg.index, leg.names, leg.bare)
    if not leg.loaded then return {12, place} end
    if leg.loaded.version ~= leg.version then return {1} end
  end
  local expires = call.accounts[1].loaded.expires
  if expires > 0 and milliseconds >= expires then return {4} end
  if call.record > 0 then
    local record = redis.call('HMGET', KEYS[call.record], 'fingerprint', 'answer', 'hold', 'lost')
    if record[1] then
      if record[1] ~= call.fingerprint then return {10} end
      if record[2] then
        redis.call('HSET', KEYS[call.record], 'seen', '1')
        return {9, record[2]}
      end
      return {record[4] and 13 or 8}
    end
  end
  for _, limit in ipairs(call.limits) do
    if (limit.kind == 'n' or limit.kind == 'c') and limit.z > 0 and (now < limit.y or now >= limit.z) then return {2, milliseconds} end
    measure(limit, call.accounts[limit.account].loaded)
  end
  local no = refusal(call)
  if no then return no end
  if call.dry then return admitted(call, true) end
  take(call)
  return admitted(call)
end

local replies = {}
for i, call in ipairs(calls) do
  local fine, reply = pcall(decide, call, open[i + 1] or fresh[call.hold])
  replies[i] = fine and reply or {14, type(reply) == 'table' and reply.err or tostring(reply)}
  if call.again and replies[i][1] > 0 and replies[i][1] ~= 2 and not open[i + 1] then
    opened[#opened + 1] = call.hold
    opened[#opened + 1] = hold_barred()
  end
end
for _, ring in pairs(rings) do
  if ring.added > 0 then
    ring_write(ring, now)
    account_set(ring.account, ring.name, ring_pack(ring))
  end
end
accounts_write(#opened > 0 and milliseconds or nil)
for _, refill in ipairs(refills) do redis.call('XADD', refill.audit, 'MAXLEN', '~', AUDITED, '*', 'e', refill.event) end
if #opened > 0 then redis.call('HSET', KEYS[1], unpack(opened)) end
return replies
