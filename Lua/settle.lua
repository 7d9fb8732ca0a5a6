-- settle: closes holds, each exactly once: what was really used is charged, the rest goes back, the events are written.
-- KEYS  usage, cursor of the hourly sums, open holds or account or call...
-- ARGV  retained, lists, {open#, pack of acknowledged holds}..., then for each settlement a pack of:
--       open#, hold, mode, returned, call#, memory, retention, answer, until, events, accounts, {account key#}..., {event base, surcharge, event}...
-- REPLY for each settlement an array: {1 closed by this settlement or a copy of it, credits, returned, charge...}
--       {2 closed by others, charged, returned} {0 unknown, nothing to close} {3 fault, why} {4 stands, returned, charge...} {5 late, now}
--       credits is -1 where the account was not looked at; returned are the calls that were taken back in all
-- EFFECT what the hold took and was not used goes back to accounts and meters; the usage stream has an entry for each event; the hold
-- becomes *done, so much*, and is forgotten when its node acknowledges that. What goes back is read from the hold, never from here.
-- Entries that a release replaces are taken back from the hourly sums too: by a correction where they have been counted, and where not by
-- moving the cursor to another name of its place, so that a page that was read before is not added.
-- key#, open#, call# are places in KEYS, 0 for none. Modes: `settle`; `release` also takes back what an earlier copy has charged, as its
-- caller was told of no success (unless somebody has seen its stored answer: then the charge *stands*), and leaves a mark that keeps a
-- hold that is not there from being opened: up to `until` (ms), after that it is *late* and leaves nothing behind; `refund` and `keep` end
-- a hold of a dead node without or with its price. Memory: '' none, `keep` store the answer, `drop` delete the record (a copy that comes
-- late, of a hold that is gone, leaves an answer alone), `lose` mark it: the call was charged and has no answer; so is one whose key has
-- kept ANSWERS bytes of answers on this UTC day (account field `kept`; an answer counts 1 KB at least, so their number has a bound too). A surcharge, and a base beyond what is held, is granted as far as every account goes; an
-- event '' is charged and not written.
--#include integer
--#include account
--#include hold
local time = redis.call('TIME')
local milliseconds = time[1] * 1000 + math.floor(time[2] / 1000)
local ANSWERS = 16 * 1024 * 1024

local ACCOUNTS, is_cut = 11, false

-- The first entry of a script cuts the stream to its length.
local function write(hold, charged, event)
  if event == '' then return end
  if is_cut then return redis.call('XADD', KEYS[1], '*', 'c', integer(charged), 'h', hold, 'e', event) end
  is_cut = true
  return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'c', integer(charged), 'h', hold, 'e', event)
end

-- Takes entries away that said too much. A correction has x the entry, y its credits, w its event; n in place of x where the sums have not
-- counted the entry, but others may have read it.
local function take_away(s, ids, charges)
  local ms, seq, turn = string.match(redis.call('GET', KEYS[2]) or '0-0', '^(%d+)-(%d+)/?(%d*)$')
  ms, seq = tonumber(ms), tonumber(seq)
  local spoilt = false
  for i, id in ipairs(ids) do
    local at, of = string.match(id, '^(%d+)-(%d+)$')
    at, of = tonumber(at), tonumber(of)
    local counted = at < ms or at == ms and of <= seq
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    local event = entry and entry[2][6] or s.fields[s.first + 2]
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', counted and 'x' or 'n', id, 'y', integer(charges[i] or 0), 'w', event)
    if not counted then spoilt = true end
  end
  if spoilt then redis.call('SET', KEYS[2], integer(ms) .. '-' .. integer(seq) .. '/' .. integer((tonumber(turn) or 0) + 1)) end
  redis.call('XDEL', KEYS[1], unpack(ids))
end

-- The accounts of a hold, with the meters that it counts in.
local function legs_of(held, s)
  local legs, names = {}, {}
  for i = 1, #held.a / 2 do names[i] = {} end
  for i = 1, #held.m, 5 do
    local own = names[held.m[i]]
    own[#own + 1] = held.m[i + 1]
  end
  for i = 1, #held.a / 2 do
    local id, index = held.a[i * 2 - 1], s.fields[ACCOUNTS + i]
    if string.sub(KEYS[index], -#id) ~= id then error('a hold of another account') end
    local kind = held.a[i * 2]
    legs[i] = {account = account_load(index, names[i], kind == 2), funded = kind == 1}
  end
  return legs
end

-- How much of a count of calls `returned` calls are: all share alike in one of the whole hold; others go back with the last of them.
local function share(held, amount, returned)
  return amount == held.n and returned or returned == held.n and amount or 0
end

-- Gives counts back: those of open calls as it closes, those of calls that are returned by now and were not before, and those of credits
-- that were not charged.
local function uncount(held, legs, closes, before, returned, unused)
  for i = 1, #held.m, 5 do
    local place, name, kind, period, amount = unpack(held.m, i, i + 4)
    local account = legs[place].account
    local back = kind == 'c' and unused or kind == 'o' and (closes and amount or 0) or
      share(held, amount, returned) - share(held, amount, before)
    if account and back ~= 0 then
      if kind == 'o' then
        account_set(account, name, integer(math.max(0, (tonumber(account.meters[name]) or 0) - back)))
      else
        local used, of = meter_read(account.meters[name], period)
        if used and of == period then account_set(account, name, integer(of) .. ':' .. integer(math.max(0, used - back))) end
      end
    end
  end
end

local function move(held, legs, unused, returned)
  for _, leg in ipairs(legs) do
    local account = leg.account
    if account and not account.bare and (unused ~= 0 or returned ~= 0) then
      if leg.funded then account.credits = account.credits + unused end
      account.spent, account.calls, account.dirty = account.spent - unused, math.max(0, account.calls - returned), true
    end
  end
end

-- What an open hold is charged: each event's base, then of the surcharges what every account can bear. No legs where nothing moves, as just
-- what is held is charged.
local function price(s, held)
  local wanted, extra, charges, sum = 0, 0, {}, 0
  for i = s.first, s.last, 3 do
    wanted = wanted + s.fields[i]
    extra = extra + s.fields[i + 1]
  end
  if extra == 0 and wanted == held.p and s.returned == 0 and #held.m == 0 then
    for i = s.first, s.last, 3 do charges[#charges + 1] = s.fields[i] end
    return charges, wanted, NOTHING
  end
  local legs, more = legs_of(held, s), math.max(0, wanted + extra - held.p)
  for _, leg in ipairs(legs) do
    local account = leg.account
    if account and leg.funded then more = math.min(more, account.credits) end
    if account and account.limit > 0 then more = math.min(more, account.limit - account.spent) end
  end
  local spare = held.p + math.max(0, more)
  for part = 0, 1 do
    for i = s.first, s.last, 3 do
      local place, granted = (i - s.first) / 3 + 1, math.min(s.fields[i + part], spare)
      spare, sum, charges[place] = spare - granted, sum + granted, (charges[place] or 0) + granted
    end
  end
  return charges, sum, legs
end

-- Whether the key may keep this answer; what it has kept on this day is counted in its account.
local function keeps(s)
  local key, day = KEYS[s.fields[ACCOUNTS + 1]], math.floor(milliseconds / 86400000)
  local account = redis.call('HMGET', key, 'version', 'kept')
  local used, of = meter_read(account[2] or '', day)
  local size = math.max(#s.answer, 1024)
  if not account[1] or not used or used + size > ANSWERS then return false end
  redis.call('HSET', key, 'kept', integer(of) .. ':' .. integer(used + size))
  return true
end

-- The holds that are asked for, by list and name: read once each, the changed ones written once each at the end.
local lists = {}

local function mark(s, text)
  local list = lists[s.open]
  list.texts[s.hold] = text
  list.changed[#list.changed + 1] = s.hold
  list.changed[#list.changed + 1] = text
end

local function done(s, held, charges, entries)
  mark(s, hold_done(held, charges, entries, s.returned, s.orphan))
end

local function remember(s, closed)
  if s.call == 0 then return end
  local record = redis.call('HMGET', KEYS[s.call], 'hold', 'answer')
  if record[1] ~= s.hold then return end
  if s.memory == 'keep' and closed and (record[2] or keeps(s)) then
    redis.call('HSET', KEYS[s.call], 'answer', s.answer)
    redis.call('PEXPIRE', KEYS[s.call], s.retention)
  elseif s.memory == 'lose' or (s.memory == 'keep' and closed) then
    redis.call('HSET', KEYS[s.call], 'lost', '1')
  elseif s.memory == 'drop' and (closed or not record[2]) then
    redis.call('DEL', KEYS[s.call])
  end
end

local function total(charges)
  local sum = 0
  for i = 1, #charges do sum = sum + charges[i] end
  return sum
end

-- The hold is open: this settlement closes it. Whatever can fail comes before the first credit moves.
local function close(s, held)
  local charges, sum, legs, entries = nil, 0, nil, {}
  if s.orphan then
    sum = s.mode == 'refund' and 0 or held.p
    s.returned = s.mode == 'refund' and held.n or 0
    charges, legs = {sum}, legs_of(held, s)
    entries = {write(s.hold, sum, held.e)}
  else
    if s.mode == 'release' then s.returned = held.n end
    charges, sum, legs = price(s, held)
    for i = 1, #charges do entries[#entries + 1] = write(s.hold, charges[i], s.fields[s.first + i * 3 - 1]) end
  end
  done(s, held, charges, entries)
  remember(s, true)
  move(held, legs, held.p - sum, s.returned)
  uncount(held, legs, true, 0, s.returned, held.p - sum)
  return {1, legs[1] and legs[1].account and legs[1].account.credits or -1, s.returned, unpack(charges)}
end

-- The hold was closed before, by a copy of this settlement or by whoever took its node for dead.
local function again(s, held)
  -- A node that wakes and knows that nothing was used takes back what others have kept, as they could not know it.
  local back = s.mode == 'release' or held.b and s.returned == held.n and total(held.c) > 0
  if s.orphan or (held.b and not back) then
    if total(held.c) > 0 and s.memory == 'keep' then remember(s, true) end
    return {2, total(held.c), held.r}
  end
  if not back or total(held.c) == 0 and held.r == held.n then return {1, -1, held.r, unpack(held.c)} end
  local record = s.call > 0 and redis.call('HMGET', KEYS[s.call], 'hold', 'seen') or {}
  if record[2] and record[1] == s.hold then return {4, held.r, unpack(held.c)} end
  local charged, before, legs = total(held.c), held.r, legs_of(held, s)
  s.returned = held.n
  if #held.x > 0 then take_away(s, held.x, held.c) end
  local charges, entries = {}, {}
  for i = s.first, s.last, 3 do
    charges[#charges + 1] = 0
    entries[#entries + 1] = write(s.hold, 0, s.fields[i + 2])
  end
  done(s, held, charges, entries)
  remember(s, true)
  move(held, legs, charged, held.n - before)
  uncount(held, legs, false, before, held.n, charged)
  return {1, legs[1].account and legs[1].account.credits or -1, held.n, unpack(charges)}
end

local function end_hold(s)
  local text = lists[s.open].texts[s.hold]
  if text then
    local held = hold_read(text)
    return hold_is_open(text) and close(s, held) or again(s, held)
  end
  if s.mode ~= 'release' then return {0} end
  remember(s, false)
  if milliseconds > s.till then return {5, milliseconds} end
  mark(s, hold_barred())
  return {0}
end

local at = 3
for _ = 1, tonumber(ARGV[2]) do
  redis.call('HDEL', KEYS[tonumber(ARGV[at])], cmsgpack.unpack(ARGV[at + 1]))
  at = at + 2
end

local settlements = {}
for i = at, #ARGV do
  local fields = {cmsgpack.unpack(ARGV[i])}
  local mode = fields[3]
  local s = {
    open = fields[1], hold = fields[2], mode = mode, returned = fields[4], call = fields[5], memory = fields[6], retention = fields[7],
    answer = fields[8], till = fields[9], fields = fields, first = ACCOUNTS + fields[ACCOUNTS] + 1, last = #fields,
    orphan = mode == 'refund' or mode == 'keep',
  }
  local list = lists[s.open] or {names = {}, texts = {}, changed = {}}
  lists[s.open] = list
  list.names[#list.names + 1] = s.hold
  settlements[#settlements + 1] = s
end
for index, list in pairs(lists) do
  local texts = redis.call('HMGET', KEYS[index], unpack(list.names))
  for i, name in ipairs(list.names) do list.texts[name] = texts[i] end
end

local replies = {}
for i, s in ipairs(settlements) do
  local fine, reply = pcall(end_hold, s)
  replies[i] = fine and reply or {3, type(reply) == 'table' and reply.err or tostring(reply)}
end
for index, list in pairs(lists) do
  if #list.changed > 0 then redis.call('HSET', KEYS[index], unpack(list.changed)) end
end
accounts_write()
return replies
