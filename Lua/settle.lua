-- settle: closes holds, each exactly once: what was really used is charged, the rest goes back, the events are written.
-- KEYS  usage, cursor of the hourly sums, open holds or account or call...
-- ARGV  retained, lists, {open#, pack of acknowledged holds}..., then for each settlement a pack of:
--       open#, hold, mode, returned, call#, memory, retention, answer, until, events, accounts, {account key#}..., {event base, surcharge, event}...
-- REPLY for each settlement the number of values that follow, and they: 6 closed by this settlement, just what was held is charged, each event
--       its base; 1 closed by this settlement or a copy of it, credits, returned, charge...; 2 closed by others, charged, returned; 0 unknown,
--       nothing to close; 3 fault, why; 4 stands, returned, charge...; 5 late, now. Credits are -1 where the account was not looked at; returned
--       are the calls that were taken back in all
-- EFFECT what the hold took and was not used goes back to accounts and meters; the usage stream has an entry for each event; the hold
-- becomes *done, so much*, and is forgotten when its node acknowledges that; one that
-- is open all the same stays. What goes back is read from the hold, never from here.
-- Entries that a release replaces are taken back from the hourly sums too: by a correction where they have been counted, and where not by
-- moving the cursor to another name of its place, so that a page that was read before is not added.
-- key#, open#, call# are places in KEYS, 0 for none. Modes: `settle`; `release` also takes back what an earlier copy has charged, as its
-- caller was told of no success (unless somebody has seen its stored answer: then the charge *stands*), and leaves a mark that keeps a
-- hold that is not there from being opened: up to `until` (ms), after that it is *late* and leaves nothing behind; `refund` and `keep` end
-- a hold of a dead node without or with its price. Memory: '' none, `keep` store the answer, `drop` delete the record (a copy that comes
-- late, of a hold that is gone, leaves an answer alone), `lose` mark it: the call was charged and has no answer; so is one whose key has
-- kept ANSWERS bytes of answers on this UTC day (account field `kept`; an answer counts 1 KB at least, so their number has a bound too). A
-- surcharge, and a base beyond what is held, is granted as far as every account goes, and every cap of credits in the hold; an event '' is
-- charged and not written.
--#include hold

-- Writes an event of `hold`; its entry. The first entry of a script cuts the stream to its length.
local function write(hold, charged, event, cuts)
  charged = string.format('%d', charged)
  if cuts then return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'c', charged, 'h', hold, 'e', event) end
  return redis.call('XADD', KEYS[1], '*', 'c', charged, 'h', hold, 'e', event)
end

-- All that is more than charging what is held. A function costs whenever it is made, and most scripts carry no settlement that wants more: these
-- are made for the first that does.
local function make_more()
--#include account
--#include meter
--#include barred
  local ACCOUNTS, ANSWERS, more, accounts = 11, 16 * 1024 * 1024, {}, {}
  local time = redis.call('TIME')
  local milliseconds = time[1] * 1000 + math.floor(time[2] / 1000)

  local function integer(number) return string.format('%d', number) end

  local function total(sums)
    local sum = 0
    for i = 1, #sums do sum = sum + sums[i] end
    return sum
  end

  -- The accounts of a hold, with the meters that it counts in; false where one is gone.
  function more.legs(fields, a, m)
    local legs = {}
    for i = 1, #a / 2 do
      local id, index, names = a[i * 2 - 1], fields[ACCOUNTS + i], nil
      for j = 1, m and #m or 0, 5 do
        if m[j] == i then
          names = names or {}
          names[#names + 1] = m[j + 1]
        end
      end
      if string.sub(KEYS[index], -#id) ~= id then error('a hold of another account') end
      legs[i] = account_load(accounts, index, names, a[i * 2] == 2) or false
    end
    return legs
  end

  -- What is charged in all of what is wanted in all: each event's base, then of the surcharges what every account and each cap can bear. A
  -- period that is over has no room: what it had is not known any more.
  function more.price(fields, first, wanted, p, a, m, caps, legs, charges)
    local room, sum = math.max(0, wanted - p), 0
    for i = 1, #legs do
      local account = legs[i]
      if account and a[i * 2] == 1 then room = math.min(room, account.credits) end
      if account and account.limit > 0 then room = math.min(room, account.limit - account.spent) end
    end
    for i = 1, caps and #caps or 0 do
      local account, name, period, cap = legs[m[5 * i - 4]], m[5 * i - 3], m[5 * i - 1], caps[i]
      if account and cap > 0 then
        local used, of = meter_read(account.meters[name], period)
        room = math.min(room, used and of == period and cap - used or 0)
      end
    end
    local spare = p + math.max(0, room)
    for part = 0, 1 do
      for i = 1, #charges do
        local granted = math.min(fields[first + 3 * i - 3 + part], spare)
        spare, sum, charges[i] = spare - granted, sum + granted, part * charges[i] + granted
      end
    end
    return sum
  end

  -- How much of a count of calls `back` calls are: all share alike in one of the whole hold; others go back with the last of them.
  local function share(n, amount, back) return amount == n and back or back == n and amount or 0 end

  -- Gives counts back: those of open calls as the hold closes, those of calls that are returned by now and were not before, and those of credits
  -- that were not charged.
  local function uncount(legs, n, m, closes, before, returned, unused)
    for i = 1, #m, 5 do
      local account, name, kind, period, amount = legs[m[i]], m[i + 1], m[i + 2], m[i + 3], m[i + 4]
      local back = kind == 'c' and unused or kind == 'o' and (closes and amount or 0) or share(n, amount, returned) - share(n, amount, before)
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

  -- Gives back what was not used, to the accounts and their meters.
  function more.give_back(legs, n, a, m, closes, before, returned, unused)
    for i = 1, #legs do
      local account, calls = legs[i], returned - before
      if account and not account.bare and (unused ~= 0 or calls ~= 0) then
        if a[i * 2] == 1 then account.credits = account.credits + unused end
        account.spent, account.calls, account.dirty = account.spent - unused, math.max(0, account.calls - calls), true
      end
    end
    if m then uncount(legs, n, m, closes, before, returned, unused) end
  end

  -- Whether the key may keep this answer; what it has kept on this day is counted in its account.
  local function keeps(fields)
    local key, day = KEYS[fields[ACCOUNTS + 1]], math.floor(milliseconds / 86400000)
    local account = redis.call('HMGET', key, 'version', 'kept')
    local used, of = meter_read(account[2] or '', day)
    local size = math.max(#fields[8], 1024)
    if not account[1] or not used or used + size > ANSWERS then return false end
    redis.call('HSET', key, 'kept', integer(of) .. ':' .. integer(used + size))
    return true
  end

  function more.remember(fields, closed)
    local key, memory = KEYS[fields[5]], fields[6]
    local record = redis.call('HMGET', key, 'hold', 'answer')
    if record[1] ~= fields[2] then return end
    if memory == 'keep' and closed and (record[2] or keeps(fields)) then
      redis.call('HSET', key, 'answer', fields[8])
      redis.call('PEXPIRE', key, fields[7])
    elseif memory == 'lose' or (memory == 'keep' and closed) then
      redis.call('HSET', key, 'lost', '1')
    elseif memory == 'drop' and (closed or not record[2]) then
      redis.call('DEL', key)
    end
  end

  -- Takes entries away that said too much. A correction has x the entry, y its credits, w its event; n in place of x where the sums have not
  -- counted the entry, but others may have read it.
  local function take_away(ids, charges, default)
    local ms, seq, turn = string.match(redis.call('GET', KEYS[2]) or '0-0', '^(%d+)-(%d+)/?(%d*)$')
    ms, seq = tonumber(ms), tonumber(seq)
    local spoilt = false
    for i, id in ipairs(ids) do
      local at, of = string.match(id, '^(%d+)-(%d+)$')
      at, of = tonumber(at), tonumber(of)
      local counted = at < ms or at == ms and of <= seq
      local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
      local event = entry and entry[2][6] or default
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', counted and 'x' or 'n', id, 'y', integer(charges[i] or 0), 'w', event)
      if not counted then spoilt = true end
    end
    if spoilt then redis.call('SET', KEYS[2], integer(ms) .. '-' .. integer(seq) .. '/' .. integer((tonumber(turn) or 0) + 1)) end
    redis.call('XDEL', KEYS[1], unpack(ids))
  end

  -- The hold was closed before, by a copy of this settlement or by whoever took its node for dead.
  function more.again(changed, fields, first, text, rest, n, a, m)
    local hold, mode, returned, record = fields[2], fields[3], fields[4], fields[5]
    local orphan = mode == 'refund' or mode == 'keep'
    local _, c, x, r, b = cmsgpack.unpack_limit(text, 4, rest)
    if type(c) ~= 'table' then error('a corrupt hold') end
    r = r or 0
    local charged = total(c)
    -- A node that wakes and knows that nothing was used takes back what others have kept, as they could not know it.
    local back = mode == 'release' or b and returned == n and charged > 0
    if orphan or (b and not back) then
      if charged > 0 and fields[6] == 'keep' and record > 0 then more.remember(fields, true) end
      return {2, charged, r}
    end
    if not back or charged == 0 and r == n then return {1, -1, r, unpack(c)} end
    local known = record > 0 and redis.call('HMGET', KEYS[record], 'hold', 'seen') or {}
    if known[2] and known[1] == hold then return {4, r, unpack(c)} end
    local legs, charges, entries = more.legs(fields, a, m), {}, {}
    if #x > 0 then take_away(x, c, fields[first + 2]) end
    for i = first, #fields, 3 do
      charges[#charges + 1] = 0
      if fields[i + 2] ~= '' then entries[#entries + 1] = write(hold, 0, fields[i + 2], true) end
    end
    returned = n
    changed[hold] = hold_done(text, rest, charges, entries, returned, orphan)
    if record > 0 then more.remember(fields, true) end
    more.give_back(legs, n, a, m, false, r, returned, charged)
    return {1, legs[1] and legs[1].credits or -1, returned, unpack(charges)}
  end

  -- A hold that is not there is barred by a release, as long as a copy of its admission may come.
  function more.bar(changed, fields)
    if fields[5] > 0 then more.remember(fields, false) end
    if milliseconds > fields[9] then return {5, milliseconds} end
    changed[fields[2]] = HOLD_BARRED
    return {0}
  end

  function more.write_accounts() accounts_write(accounts) end
  return more
end
local more

-- Ends a hold of which `text` stands in its list, or shall stand there by what was `changed`. Either what is to be answered, or nil and, unless
-- just what was held is charged, the credits of the account or -1 and the calls that were taken back; then `charges` has what was charged.
local function end_hold(changed, charges, entries, fields, text, cuts)
  local hold, mode, returned, record, first = fields[2], fields[3], fields[4], fields[5], fields[11] + 12
  if not text then
    if mode ~= 'release' then return {0} end
    more = more or make_more()
    return more.bar(changed, fields)
  end
  local is_open, rest, p, n, a, m = hold_read(text)
  if not is_open then
    more = more or make_more()
    return more.again(changed, fields, first, text, rest, n, a, m)
  end
  -- The hold is open: this settlement closes it. Whatever can fail comes before the first credit moves.
  local sum, extra, count, legs, orphan = 0, 0, 0, nil, mode == 'refund' or mode == 'keep'
  if orphan then
    more = more or make_more()
    if mode == 'refund' then returned = n else sum, returned = p, 0 end
    legs, charges[1] = more.legs(fields, a, m), sum
    local _, event = cmsgpack.unpack_one(text, rest)
    if event ~= '' then entries[1] = write(hold, sum, event, cuts) end
  else
    if mode == 'release' then returned = n end
    for i = first, #fields, 3 do
      count = count + 1
      sum, extra, charges[count] = sum + fields[i], extra + fields[i + 1], fields[i]
    end
    -- No account is read where nothing moves, as just what is held is charged and no open call was counted.
    local moves = extra > 0 or sum ~= p or returned > 0
    for i = 3, not moves and m and #m or 0, 5 do moves = moves or m[i] == 'o' end
    if moves then
      more = more or make_more()
      legs = more.legs(fields, a, m)
      local _, _, caps = cmsgpack.unpack_limit(text, 2, rest)
      sum = more.price(fields, first, sum + extra, p, a, m, caps, legs, charges)
    end
    for i = 1, count do
      local event = fields[first + 3 * i - 1]
      if event ~= '' then entries[#entries + 1] = write(hold, charges[i], event, cuts) end
    end
  end
  changed[hold] = hold_done(text, rest, charges, entries, returned, orphan)
  if record > 0 then
    more = more or make_more()
    more.remember(fields, true)
  end
  if legs then more.give_back(legs, n, a, m, true, 0, returned, p - sum) end
  return nil, legs and (legs[1] and legs[1].credits or -1), returned
end

local at, lists = 3, ARGV[2] == '0' and 0 or tonumber(ARGV[2])
for _ = 1, lists do
  local list, acknowledged = KEYS[tonumber(ARGV[at])], {cmsgpack.unpack(ARGV[at + 1])}
  local found = redis.call('HMGET', list, unpack(acknowledged))
  for i = #acknowledged, 1, -1 do
    -- One that is open all the same stays, for whoever resolves it: a primary that has died took its end along, after the node had heard of it.
    if found[i] and string.byte(found[i]) == 111 then table.remove(acknowledged, i) end
  end
  if acknowledged[1] then redis.call('HDEL', list, unpack(acknowledged)) end
  at = at + 2
end

-- The holds that are asked for, by list: read once each, the changed ones written once each at the end.
local asked, names, texts, changed, next_text = {}, {}, {}, {}, {}
for i = at, #ARGV do
  local fields = {cmsgpack.unpack(ARGV[i])}
  local open = fields[1]
  if not names[open] then names[open], changed[open], next_text[open] = {}, {}, 1 end
  local own = names[open]
  own[#own + 1], asked[i - at + 1] = fields[2], fields
end
for open, own in pairs(names) do texts[open] = redis.call('HMGET', KEYS[open], unpack(own)) end

local replies, told, charges, entries, cuts = {}, 0, {}, {}, true
for i = 1, #asked do
  local fields = asked[i]
  local open = fields[1]
  local text = changed[open][fields[2]] or texts[open][next_text[open]]
  next_text[open] = next_text[open] + 1
  for j = #charges, 1, -1 do charges[j] = nil end
  for j = #entries, 1, -1 do entries[j] = nil end
  local fine, reply, credits, returned = pcall(end_hold, changed[open], charges, entries, fields, text, cuts)
  if entries[1] then cuts = false end
  if fine and not (reply or credits) then
    replies[told + 1], replies[told + 2], told = 1, 6, told + 2
  elseif fine and not reply then
    local count = #charges
    replies[told + 1], replies[told + 2], replies[told + 3], replies[told + 4] = 3 + count, 1, credits, returned
    told = told + 4
    for j = 1, count do replies[told + j] = charges[j] end
    told = told + count
  else
    if not fine then reply = {3, type(reply) == 'table' and reply.err or tostring(reply)} end
    replies[told + 1] = #reply
    for j = 1, #reply do replies[told + 1 + j] = reply[j] end
    told = told + 1 + #reply
  end
end
for open, own in pairs(changed) do
  local changes, last = {}, 0
  for hold, text in pairs(own) do
    changes[last + 1], changes[last + 2] = hold, text
    last = last + 2
  end
  if last > 0 then redis.call('HSET', KEYS[open], unpack(changes)) end
end
if more then more.write_accounts() end
return replies
