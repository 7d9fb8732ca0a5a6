-- fragment reservation: credits that are set aside in an account without a node: reservations, and transfers on their way to another shard.
-- A field each of the hash `reservations:<account>`, by its id: `1 state kind credits created expires text`, times in ms.
-- States: o open, c committed or delivered, b given back, x its time was over. Kinds: r a reservation, text is its memo; t a transfer, text
-- is its target and its operation, and `expires` is when others see to it. A reservation is out of `credits` and in `spent` and `held`, so
-- that a spending limit counts it; a transfer is out of `credits` and `granted`. Ended ones are remembered: REMEMBERED at most, for MEMORY ms.
local REMEMBERED, MEMORY = 50, 86400000

local function reservation_now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The money of an account and what is set aside in it; nil if there is no account. Raises where it is none, before anything is changed.
local function reservations_load(account, list)
  local values = redis.call('HMGET', account, 'version', 'credits', 'spent', 'granted', 'held', 'limit', 'expires')
  if not values[1] then return nil end
  local book = {
    account = account, list = list, entries = {}, order = {}, changed = false,
    credits = tonumber(values[2] or 0), spent = tonumber(values[3] or 0), granted = tonumber(values[4] or 0),
    held = tonumber(values[5] or 0), limit = tonumber(values[6] or 0), expires = tonumber(values[7] or 0),
  }
  if not (book.credits and book.spent and book.granted and book.held and book.limit and book.expires) then error('a corrupt account') end
  local flat = redis.call('HGETALL', list)
  for i = 1, #flat, 2 do
    local state, kind, credits, created, expires, text = string.match(flat[i + 1], '^1 (%a) (%a) (%d+) (%d+) (%d+) (.*)$')
    if state then
      local entry = {
        id = flat[i], state = state, kind = kind, credits = tonumber(credits), created = tonumber(created), expires = tonumber(expires),
        text = text,
      }
      book.entries[entry.id] = entry
      book.order[#book.order + 1] = entry
    end
  end
  return book
end

local function reservations_count(book, kind)
  local count = 0
  for _, entry in ipairs(book.order) do
    if entry.state == 'o' and entry.kind == kind then count = count + 1 end
  end
  return count
end

local function reservation_open(book, entry)
  book.credits = book.credits - entry.credits
  if entry.kind == 'r' then
    book.spent, book.held = book.spent + entry.credits, book.held + entry.credits
  else
    book.granted = book.granted - entry.credits
  end
  book.entries[entry.id] = entry
  book.order[#book.order + 1] = entry
  entry.changed, book.changed = true, true
end

local function reservation_end(book, entry, state)
  if entry.kind == 'r' then book.held = book.held - entry.credits end
  if state ~= 'c' then
    book.credits = book.credits + entry.credits
    if entry.kind == 'r' then book.spent = book.spent - entry.credits else book.granted = book.granted + entry.credits end
  end
  entry.state, entry.text, entry.changed, book.changed = state, '', true, true
end

local function reservations_expire(book, now)
  for _, entry in ipairs(book.order) do
    if entry.state == 'o' and entry.kind == 'r' and now >= entry.expires then reservation_end(book, entry, 'x') end
  end
end

-- Writes what has changed. `schedule` lists the account under the moment at which one of its open entries is due first; `touched` is as in
-- the fragment touch.
local function reservations_write(book, schedule, id, now, touched)
  local first, ended, fields = nil, {}, {}
  for _, entry in ipairs(book.order) do
    if entry.state == 'o' then first = math.min(first or entry.expires, entry.expires) else ended[#ended + 1] = entry end
  end
  if first then redis.call('ZADD', schedule, integer(first), id) else redis.call('ZREM', schedule, id) end
  if not book.changed then return end
  touch(touched, book.account)
  table.sort(ended, function(a, b) return a.expires > b.expires or a.expires == b.expires and a.id < b.id end)
  local gone = {}
  for i, entry in ipairs(ended) do
    if not entry.changed and (i > REMEMBERED or now - entry.expires > MEMORY) then gone[#gone + 1] = entry.id end
  end
  for _, entry in ipairs(book.order) do
    if entry.changed then
      fields[#fields + 1] = entry.id
      fields[#fields + 1] = '1 ' .. entry.state .. ' ' .. entry.kind .. ' ' .. integer(entry.credits) .. ' ' .. integer(entry.created) ..
        ' ' .. integer(entry.expires) .. ' ' .. entry.text
    end
  end
  redis.call(
    'HSET', book.account, 'credits', integer(book.credits), 'spent', integer(book.spent), 'granted', integer(book.granted), 'held',
    integer(book.held))
  if #gone > 0 then redis.call('HDEL', book.list, unpack(gone)) end
  redis.call('HSET', book.list, unpack(fields))
  if first then redis.call('PERSIST', book.list) else redis.call('PEXPIRE', book.list, integer(MEMORY)) end
end
