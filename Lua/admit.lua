-- admit: decides the admissions of one tick of one event loop, each for itself: takes everything that a call needs, or nothing.
-- KEYS  open holds of the node, versions, account or ring or call or audit...
-- ARGV  guards, {guard name}..., calls, {call hold}..., then for each call a pack of:
--       until, mode, price, calls, head, tail, call key#, fingerprint, patience, accounts, limits, refill, {guard version}...,
--       {account key#, version, kind}..., {limit account#, meter, kind, cap, warns, amount, x, y, z}...
-- REPLY for each call the number of values that follow, and they: 0 admitted, credits, {remaining, reset}...; 1 stale; 2 late, now; 3 fenced;
--       4 expired; 5 limit, limit#, wait, credits, remaining, reset; 6 insufficient, account#, credits, remaining, reset;
--       7 spending limit, account#, credits, remaining, reset; 8 running; 9 replay, answer; 10 conflict; 11 closed; 12 gone, account#;
--       13 unanswered; 14 fault, why. A refusal reads the last rolling window of the call, remaining -1 where it has none
-- EFFECT funded accounts (kind 1) fall by price and all but bare ones (2) have it spent, meters grow, the hold and the call record are written;
-- a `dry` one has no effect. A hold that is open is admitted again without a further effect; one that is closed is not opened any more. Mode `again` asks
-- once more for what may be on its way already: a refusal is then marked, so that the other copy opens nothing when it comes.
-- key# is a place in KEYS. Versions are decimal text. head and tail are what stands in the hold before its counts and behind them; head alone where
-- no limit is counted in a hold. A meter is named as its account has it.
-- refill is '' or `audit# threshold amount most event`: where the call leaves less than threshold in its first account, amount is added to it
-- in the same step, most times a UTC day (0 for any number), with its entry in the audit stream.
-- patience is for how long (ms) the call record waits for its end: longer than any call takes, whatever its answer is kept for.
-- until and now: ms, windows, spans and waits: microseconds of Redis TIME. Kinds of limits: r a rolling window
-- (x ring key#, y window), n and c calls and credits of a period (x its number, y its start, z its end; 0, 0, 0 is the lifetime), o open
-- calls. What is given back when the call ends stands in the hold: nobody has to be believed.
--#include account

-- What limits, refills and marks need. A function costs whenever it is made, and most scripts carry no call that needs these: they are made for
-- the first that does. `legs` are the accounts of the call that is looked at, by their places in it; `fields` has its limits behind `at`.
local function make_more(now, legs)
--#include meter
--#include ring
--#include barred
  local LIMIT, more, rings, counts = 9, {BARRED = HOLD_BARRED, left = {}}, {}, {}
  -- Of each limit of the call that is looked at; windows are false of other kinds.
  local used, periods, windows = {}, {}, {}

  local function integer(number) return string.format('%d', number) end

  -- The meters that have not been read of an account; nil for none.
  function more.names(account, place, order, fields, at, count)
    local names, meters = nil, account and account.meters
    if order ~= '' and place == 1 then names = {'refills'} end
    for i = at, at + LIMIT * (count - 1), LIMIT do
      local name = fields[i + 2]
      if fields[i + 1] == place and not (meters and meters[name]) then
        names = names or {}
        names[#names + 1] = name
      end
    end
    return names
  end

  -- The state of a meter that is no window, read once and written once at the end: `of` is its period, -1 where nothing was counted yet.
  local function count_of(account, name, kind)
    if not account.counts then account.counts = {} end
    local count, text = account.counts[name], account.meters[name]
    if not count then
      local used, of = 0, -1
      if kind == 'o' then
        used = text == '' and 0 or tonumber(text)
      elseif text ~= '' then
        used, of = meter_read(text, 0)
      end
      count = {account = account, name = name, kind = kind, used = used, of = of, changed = false}
      account.counts[name], counts[#counts + 1] = count, count
    end
    if not count.used or count.kind ~= kind and (kind == 'o' or count.kind == 'o') then error('a corrupt meter') end
    return count
  end

  -- Whether one of the limits has no room; nil where the period that was named is over, or has not begun.
  function more.measure(fields, at, count, is_repeated)
    local full = false
    for i = 1, count do
      local account, name, kind, cap = legs[fields[at + 1]], fields[at + 2], fields[at + 3], fields[at + 4]
      local x, y, z = fields[at + 7], fields[at + 8], fields[at + 9]
      windows[i], periods[i] = false, 0
      if kind == 'r' then
        local ring = rings[x]
        if not ring then
          ring = ring_open(KEYS[x], account.meters[name], cap, y)
          ring.account, ring.name = account, name
          if ring_advance(ring, now) then account_set(account, name, ring_pack(ring)) end
          rings[x] = ring
        end
        windows[i], used[i] = ring, cap - ring_free(ring)
      elseif kind == 'o' then
        used[i] = count_of(account, name, kind).used
      else
        if z > 0 and not is_repeated and (now < y or now >= z) then return nil end
        local count = count_of(account, name, kind)
        used[i], periods[i] = meter_of(count.used, count.of, x)
      end
      full = full or fields[at + 5] == 0 and used[i] + fields[at + 6] > cap
      at = at + LIMIT
    end
    return full
  end

  -- The refusal by windows and open calls, which are looked at first, for place 0, and else by the other limits of that account; nil for none.
  function more.refusal(place, fields, at, count)
    for i = 1, count do
      local kind, amount, z = fields[at + 3], fields[at + 6], fields[at + 9]
      local first = kind == 'r' or kind == 'o'
      if (first and place == 0 or not first and place == fields[at + 1]) and fields[at + 5] == 0 and used[i] + amount > fields[at + 4] then
        local wait = windows[i] and ring_wait(windows[i], amount, now) or not first and z > 0 and z - now or 0
        return {5, i, wait, legs[1].credits}
      end
      at = at + LIMIT
    end
  end

  local function ring_reset(ring) return ring.first < ring.last and ring.oldest + ring.window - now or ring.window end

  -- What is left of the last rolling window of the call, and when it is whole; -1 where there is none.
  function more.window(count)
    for i = count, 1, -1 do
      if windows[i] then return ring_free(windows[i]), ring_reset(windows[i]) end
    end
    return -1, 0
  end

  -- Counts the call; what the hold has to say of that, packed, or nil for nothing.
  function more.take(fields, at, count)
    local held = nil
    for i = 1, count do
      local leg, name, kind, amount = fields[at + 1], fields[at + 2], fields[at + 3], fields[at + 6]
      if windows[i] then
        ring_take(windows[i], amount, now)
      else
        local count = legs[leg].counts[name]
        used[i] = used[i] + amount
        count.used, count.of, count.changed = used[i], periods[i], true
        held = held or {}
        local last = #held
        held[last + 1], held[last + 2], held[last + 3], held[last + 4], held[last + 5] = leg, name, kind, periods[i], amount
      end
      at = at + LIMIT
    end
    return held and cmsgpack.pack(held)
  end

  -- Reads into `more.left` what is left of the limits. `taken`: what the readings have to count that the meters do not show yet.
  function more.read(fields, at, count, taken)
    local left = more.left
    for i = 1, count do
      local ring, z = windows[i], fields[at + 9]
      left[2 * i - 1] = (ring and ring_free(ring) or fields[at + 4] - used[i]) - (taken and fields[at + 6] or 0)
      left[2 * i] = ring and ring_reset(ring) or z > 0 and z - now or 0
      at = at + LIMIT
    end
  end

  function more.write_meters()
    for i = 1, #counts do
      local count = counts[i]
      if count.changed then
        local used = integer(count.used)
        account_set(count.account, count.name, count.kind == 'o' and used or integer(count.of) .. ':' .. used)
      end
    end
    for _, ring in pairs(rings) do
      if ring.added > 0 then
        ring_write(ring, now)
        account_set(ring.account, ring.name, ring_pack(ring))
      end
    end
  end

  -- What is added to the first account with this call, if anything is; before anything has changed.
  function more.refill(order, price)
    local account = legs[1]
    local audit, threshold, amount, most, event = string.match(order, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
    if not audit then return nil end
    local left = account.credits - price
    if price == 0 or left >= tonumber(threshold) then return nil end
    if account.credits + account.spent + tonumber(amount) > 9000000000000000 then return nil end
    local count, day = meter_read(account.meters.refills, math.floor(now / 86400000000))
    if not count then error('a corrupt meter') end
    if tonumber(most) > 0 and count >= tonumber(most) then return nil end
    return {amount = tonumber(amount), count = integer(day) .. ':' .. integer(count + 1), audit = KEYS[tonumber(audit)], event = event}
  end

  function more.add(refill)
    local account = legs[1]
    account.credits, account.added = account.credits + refill.amount, (account.added or 0) + refill.amount
    account_set(account, 'refills', refill.count)
    more.refills = more.refills or {}
    more.refills[#more.refills + 1] = refill
  end

  function more.audit()
    for _, refill in ipairs(more.refills or {}) do redis.call('XADD', refill.audit, 'MAXLEN', '~', 10000, '*', 'e', refill.event) end
  end
  return more
end
local more

-- Decides a call of which `held` stands in the list, false for nothing. Either its refusal, or nil, the credits that are left, the number of its
-- limits, which `more.left` tells of, and what stands in the list from here on, nil for what stands there.
local function decide(
  accounts, legs, guarded, is_open, now, hold, held, till, mode, price, calls, head, tail, record, fingerprint, patience, own, count, order, ...)
  local milliseconds, guards = math.floor(now / 1000), #guarded
  local fields = {...}
  if held then
    if string.byte(held) == 100 then return {11} end
  else
    if not is_open then return {3} end
    if milliseconds > till then return {2, milliseconds} end
    for i = 1, guards do
      if guarded[i] ~= fields[i] and tonumber(guarded[i] or 0) > tonumber(fields[i]) then return {1} end
    end
  end
  local at, last, wants_more = guards, guards + 3 * own, count > 0 or order ~= ''
  if wants_more then more = more or make_more(now, legs) end
  for place = 1, own do
    local index = fields[at + 1]
    local names = wants_more and more.names(accounts[index], place, held and '' or order, fields, last, count) or nil
    local account = account_load(accounts, index, names, fields[at + 3] == 2)
    if not account then
      if held then error('an account that is gone') end
      return {12, place}
    end
    if not held and account.version ~= fields[at + 2] then return {1} end
    legs[place], at = account, at + 3
  end
  local first = legs[1]
  if held then
    -- A further copy of an admission that was carried out, whatever has changed since: its caller has to learn that the hold is open.
    if count > 0 then
      more.measure(fields, at, count, true)
      more.read(fields, at, count)
    end
    return nil, first.credits, count
  end
  if first.expires > 0 and milliseconds >= first.expires then return {4} end
  if record > 0 then
    local known = redis.call('HMGET', KEYS[record], 'fingerprint', 'answer', 'hold', 'lost')
    if known[1] then
      if known[1] ~= fingerprint then return {10} end
      if not known[2] then return {known[4] and 13 or 8} end
      redis.call('HSET', KEYS[record], 'seen', '1')
      return {9, known[2]}
    end
  end
  local full, no = false, nil
  if count > 0 then
    full = more.measure(fields, at, count)
    if full == nil then return {2, milliseconds} end
    no = full and more.refusal(0, fields, at, count)
  end
  for place = 1, no and 0 or own do
    local account = legs[place]
    if price > account.credits and fields[guards + 3 * place] == 1 then
      no = {6, place, account.credits}
    elseif account.limit > 0 and account.spent + price > account.limit then
      no = {7, place, first.credits}
    elseif full then
      no = more.refusal(place, fields, at, count)
    end
    if no then break end
  end
  if no then
    no[#no + 1], no[#no + 2] = -1, 0
    if count > 0 then no[#no - 1], no[#no] = more.window(count) end
    return no
  end
  if mode == 'dry' then
    if count > 0 then more.read(fields, at, count, true) end
    return nil, first.credits, count
  end
  local refill, counts = order ~= '' and more.refill(order, price), nil
  for place = 1, own do
    local kind, account = fields[guards + 3 * place], legs[place]
    if kind == 1 then account.credits = account.credits - price end
    if kind ~= 2 then account.spent, account.calls, account.dirty = account.spent + price, account.calls + calls, true end
  end
  if refill then more.add(refill) end
  if count > 0 then
    counts = more.take(fields, at, count)
    more.read(fields, at, count)
  end
  if record > 0 then
    redis.call('HSET', KEYS[record], 'fingerprint', fingerprint, 'hold', hold)
    redis.call('PEXPIRE', KEYS[record], patience)
  end
  return nil, first.credits, count, counts and head .. counts .. tail or head
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local guards = ARGV[1] == '1' and 1 or tonumber(ARGV[1])
local guarded = guards > 0 and redis.call('HMGET', KEYS[2], unpack(ARGV, 2, guards + 1)) or {}
local before = guards + 2
local asked = (#ARGV - before) / 2
local open = redis.call('HMGET', KEYS[1], '!', unpack(ARGV, before + 1, before + asked))
local accounts, legs, fresh, opened, replies, told = {}, {}, {}, {}, {}, 0
for i = 1, asked do
  local hold = ARGV[before + i]
  local fine, no, credits, count, text =
    pcall(decide, accounts, legs, guarded, open[1] == '1', now, hold, open[i + 1] or fresh[hold], cmsgpack.unpack(ARGV[before + asked + i]))
  if fine and not no then
    replies[told + 1], replies[told + 2], replies[told + 3] = 2 + 2 * count, 0, credits
    told = told + 3
    for j = 1, 2 * count do replies[told + j] = more.left[j] end
    told = told + 2 * count
    if text then
      local last = #opened
      fresh[hold], opened[last + 1], opened[last + 2] = 'o', hold, text
    end
  else
    if not fine then no = {14, type(no) == 'table' and no.err or tostring(no)} end
    replies[told + 1] = #no
    for j = 1, #no do replies[told + 1 + j] = no[j] end
    told = told + 1 + #no
    local _, mode = cmsgpack.unpack(ARGV[before + asked + i])
    if mode == 'again' and no[1] ~= 2 and not open[i + 1] then
      more = more or make_more(now, legs)
      opened[#opened + 1] = hold
      opened[#opened + 1] = more.BARRED
    end
  end
end
if more then more.write_meters() end
accounts_write(accounts, #opened > 0 and string.format('%d', math.floor(now / 1000)) or nil)
if more then more.audit() end
if #opened > 0 then redis.call('HSET', KEYS[1], unpack(opened)) end
return replies
