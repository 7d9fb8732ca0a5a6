-- admit: decides the admissions of one tick of one event loop, each for itself: takes everything that a call needs, or nothing.
-- KEYS  open holds of the node, versions, account or ring or call or audit...
-- ARGV  guards, {guard name}..., calls, {call hold}..., then for each call a pack of:
--       until, mode, price, calls, head, tail, call key#, fingerprint, patience, accounts, limits, refill, {guard version}...,
--       {account key#, version, kind}..., {limit account#, meter, kind, cap, warns, amount, x, y, z}...
-- REPLY for each call an array: {0 admitted, credits, {remaining, reset}...} {1 stale} {2 late, now} {3 fenced} {4 expired}
--       {5 limit, limit#, wait, credits, remaining, reset} {6 insufficient, account#, credits, remaining, reset}
--       {7 spending limit, account#, credits, remaining, reset} {8 running} {9 replay, answer} {10 conflict} {11 closed} {12 gone, account#}
--       {13 unanswered} {14 fault, why}; a refusal reads the last rolling window of the call, remaining -1 where it has none
-- EFFECT funded accounts (kind 1) fall by price and all but bare ones (2) have it spent, meters grow, the hold and the call record are written;
-- a `dry` one has no effect. A hold that is open is admitted again without a further effect; one that is closed is not opened any more. Mode `again` asks
-- once more for what may be on its way already: a refusal is then marked, so that the other copy opens nothing when it comes.
-- key# is a place in KEYS. head and tail are what stands in the hold before its counts and behind them. A meter is named as its account has it.
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
local guards = tonumber(ARGV[1])
local guarded = guards > 0 and redis.call('HMGET', KEYS[2], unpack(ARGV, 2, guards + 1)) or {}
for i = 1, guards do guarded[i] = tonumber(guarded[i] or 0) end
local asked, before = tonumber(ARGV[guards + 2]), guards + 2
local open = redis.call('HMGET', KEYS[1], '!', unpack(ARGV, before + 1, before + asked))
local FIXED, NONE = 12, {}

-- The accounts that a call wants to be let in by, and what it is counted in there.
local function read_accounts(fields)
  local accounts, limits, at = {}, NONE, FIXED + guards
  for i = 1, fields[10] do
    accounts[i] = {index = fields[at + 1], version = fields[at + 2], kind = fields[at + 3], names = NONE, loaded = false}
    at = at + 3
  end
  if fields[11] > 0 then limits = {} end
  for i = 1, fields[11] do
    local leg, name = accounts[fields[at + 1]], fields[at + 2]
    limits[i] = {
      account = fields[at + 1], name = name, kind = fields[at + 3], cap = fields[at + 4], warns = fields[at + 5] == 1, amount = fields[at + 6],
      x = fields[at + 7], y = fields[at + 8], z = fields[at + 9], ring = false, used = false, period = false,
    }
    if leg.names == NONE then leg.names = {name} else leg.names[#leg.names + 1] = name end
    at = at + 9
  end
  return accounts, limits
end

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
local function refused(limits, reply)
  reply[#reply + 1], reply[#reply + 2] = -1, 0
  for i = 1, #limits do
    local ring = limits[i].ring
    if ring then reply[#reply - 1], reply[#reply] = ring_free(ring), ring_reset(ring) end
  end
  return reply
end

local function refusal(price, accounts, limits)
  for number = 1, #limits do
    local limit = limits[number]
    if (limit.kind == 'r' or limit.kind == 'o') and over(limit) then
      return refused(limits, {5, number, limit.ring and ring_wait(limit.ring, limit.amount, now) or 0, accounts[1].loaded.credits})
    end
  end
  for place = 1, #accounts do
    local account = accounts[place].loaded
    if accounts[place].kind == 1 and price > account.credits then return refused(limits, {6, place, account.credits}) end
    if account.limit > 0 and account.spent + price > account.limit then return refused(limits, {7, place, accounts[1].loaded.credits}) end
    for number = 1, #limits do
      local limit = limits[number]
      if limit.account == place and limit.kind ~= 'r' and limit.kind ~= 'o' and over(limit) then
        return refused(limits, {5, number, limit.z > 0 and limit.z - now or 0, accounts[1].loaded.credits})
      end
    end
  end
end

-- What is added to the first account with this call, if anything is; before anything has changed.
local function refill_of(order, price, account)
  if order == '' then return nil end
  local audit, threshold, amount, most, event = string.match(order, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if not audit then return nil end
  local left = account.credits - price
  if price == 0 or left >= tonumber(threshold) or left + (tonumber(account.meters.held) or 0) + tonumber(amount) > 9007199254740991 then return nil end
  local count, day = meter_read(account.meters.refills, math.floor(milliseconds / 86400000))
  if not count then error('a corrupt meter') end
  if tonumber(most) > 0 and count >= tonumber(most) then return nil end
  return {amount = tonumber(amount), count = integer(day) .. ':' .. integer(count + 1), audit = KEYS[tonumber(audit)], event = event}
end

-- `taken`: what the readings have to count that the meters do not show yet.
local function admitted(accounts, limits, taken)
  local reply = {0, accounts[1].loaded.credits}
  for i = 1, #limits do
    local limit, ring = limits[i], limits[i].ring
    local used = ring and limit.cap - ring_free(ring) or limit.used
    reply[i * 2 + 1] = limit.cap - used - (taken and limit.amount or 0)
    reply[i * 2 + 2] = ring and ring_reset(ring) or limit.z > 0 and limit.z - now or 0
  end
  return reply
end

local function take(price, count, order, accounts, limits)
  local counts, refill = NONE, refill_of(order, price, accounts[1].loaded)
  for i = 1, #accounts do
    local kind, account = accounts[i].kind, accounts[i].loaded
    if kind == 1 then account.credits = account.credits - price end
    if kind ~= 2 then account.spent, account.calls, account.dirty = account.spent + price, account.calls + count, true end
  end
  if refill then
    local account = accounts[1].loaded
    account.credits, account.added = account.credits + refill.amount, (account.added or 0) + refill.amount
    account_set(account, 'refills', refill.count)
    refills[#refills + 1] = refill
  end
  for i = 1, #limits do
    local limit = limits[i]
    local account = accounts[limit.account].loaded
    if limit.ring then
      ring_take(limit.ring, limit.amount, now)
    else
      limit.used = limit.used + limit.amount
      account_set(account, limit.name, limit.kind == 'o' and integer(limit.used) or integer(limit.period) .. ':' .. integer(limit.used))
      if counts == NONE then counts = {} end
      for _, value in ipairs({limit.account, limit.name, limit.kind, limit.period or 0, limit.amount}) do counts[#counts + 1] = value end
    end
  end
  return counts
end

local function load_account(leg) return account_load(leg.index, leg.names, leg.kind == 2) end

-- A further copy of an admission that was carried out, whatever has changed since: its caller has to learn that the hold is open.
local function repeated(fields)
  local accounts, limits = read_accounts(fields)
  for i = 1, #accounts do
    accounts[i].loaded = load_account(accounts[i])
    if not accounts[i].loaded then error('an account that is gone') end
  end
  for i = 1, #limits do measure(limits[i], accounts[limits[i].account].loaded) end
  return admitted(accounts, limits)
end

-- What the record of an idempotent call says; nil where there is none.
local function recorded(key, fingerprint)
  local record = redis.call('HMGET', key, 'fingerprint', 'answer', 'hold', 'lost')
  if not record[1] then return nil end
  if record[1] ~= fingerprint then return {10} end
  if not record[2] then return {record[4] and 13 or 8} end
  redis.call('HSET', key, 'seen', '1')
  return {9, record[2]}
end

local function decide(hold, fields, held)
  if held then return string.sub(held, 1, 1) == 'd' and {11} or repeated(fields) end
  local till, mode, price, count, head, tail, record, fingerprint, patience, _, _, order = unpack(fields, 1, FIXED)
  if open[1] ~= '1' then return {3} end
  if milliseconds > till then return {2, milliseconds} end
  for i = 1, guards do
    if guarded[i] > fields[FIXED + i] then return {1} end
  end
  local accounts, limits = read_accounts(fields)
  if order ~= '' then accounts[1].names = {'refills', 'held', unpack(accounts[1].names)} end
  for place = 1, #accounts do
    local leg = accounts[place]
    leg.loaded = load_account(leg)
    if not leg.loaded then return {12, place} end
    if leg.loaded.version ~= leg.version then return {1} end
  end
  local expires = accounts[1].loaded.expires
  if expires > 0 and milliseconds >= expires then return {4} end
  local known = record > 0 and recorded(KEYS[record], fingerprint)
  if known then return known end
  for i = 1, #limits do
    local limit = limits[i]
    if (limit.kind == 'n' or limit.kind == 'c') and limit.z > 0 and (now < limit.y or now >= limit.z) then return {2, milliseconds} end
    measure(limit, accounts[limit.account].loaded)
  end
  local no = refusal(price, accounts, limits)
  if no then return no end
  if mode == 'dry' then return admitted(accounts, limits, true) end
  local counts = take(price, count, order, accounts, limits)
  if record > 0 then
    redis.call('HSET', KEYS[record], 'fingerprint', fingerprint, 'hold', hold)
    redis.call('PEXPIRE', KEYS[record], patience)
  end
  fresh[hold] = 'o'
  opened[#opened + 1] = hold
  opened[#opened + 1] = hold_open(head, counts, tail)
  return admitted(accounts, limits)
end

local replies = {}
for i = 1, asked do
  local hold, fields = ARGV[before + i], {cmsgpack.unpack(ARGV[before + asked + i])}
  local fine, reply = pcall(decide, hold, fields, open[i + 1] or fresh[hold])
  replies[i] = fine and reply or {14, type(reply) == 'table' and reply.err or tostring(reply)}
  if fields[2] == 'again' and replies[i][1] > 0 and replies[i][1] ~= 2 and not open[i + 1] then
    opened[#opened + 1] = hold
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
