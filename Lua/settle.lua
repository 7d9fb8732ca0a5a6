-- settle: closes holds, each exactly once: what was really used is charged, the rest goes back, the events are written.
-- KEYS  usage, {balance, hold, [call]}...
-- ARGV  retained, {hold, price, returned, manner, kept, retention, answer, events, {base, surcharge, event}...}...
-- REPLY {status, credits, charged}...: 1 closed, now or by an earlier copy of this settlement; 0 closed otherwise, nothing is charged;
--       credits is -1 where nothing was moved since the admission
-- EFFECT the hold is gone; balance and spent move by price - charged, calls by -returned; the usage stream has an entry an event.
-- A surcharge is granted as far as balance and spending limit go (F-PRICE-06). `kept` is the call record: '' none, 'keep' store the
-- answer, 'drop' delete. Manners: 'settle'; 'release' takes back what an earlier copy has captured, as its caller was told of no
-- success; 'abandon' also closes a hold that an admission still under way would open; 'orphan' belongs to a dead node.
--#include whole
local function write(hold, charged, event)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'c', whole(charged), 'h', hold, 'e', event)
end

-- Charges for an open hold; its events begin at argument `first`. Where the charge is what was held the account stays as it is.
local function capture(balance, hold, price, returned, events, first)
  local last, wanted, extra, charged = first + events * 3 - 1, 0, 0, 0
  for i = first, last, 3 do
    wanted = wanted + ARGV[i]
    extra = extra + ARGV[i + 1]
  end
  if wanted == price and extra == 0 and returned == 0 then
    for i = first, last, 3 do write(hold, ARGV[i], ARGV[i + 2]) end
    return -1, price
  end
  local account = redis.call('HMGET', balance, 'credits', 'spent', 'calls', 'limit')
  local available, spent, limit = (account[1] or 0) + price, (account[2] or 0) - price, tonumber(account[4] or 0)
  local spare = available - wanted
  if limit > 0 then spare = math.min(spare, limit - spent - wanted) end
  for i = first, last, 3 do
    local surcharge = math.max(0, math.min(tonumber(ARGV[i + 1]), spare))
    local charge = math.min(ARGV[i] + surcharge, available - charged)
    spare = spare - surcharge
    charged = charged + charge
    write(hold, charge, ARGV[i + 2])
  end
  if account[1] then
    redis.call('HSET', balance, 'credits', whole(available - charged), 'spent', whole(spent + charged),
      'calls', whole(account[3] - returned))
  end
  return available - charged, charged
end

-- The entries of a hold that is closed, and their credits: the usage stream remembers how lately settled calls ended.
local function recall(hold)
  local entries, charged, from = {}, 0, '+'
  for _ = 1, 40 do
    local page = redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', 256)
    for _, entry in ipairs(page) do
      if entry[2][4] == hold then
        entries[#entries + 1] = entry[1]
        charged = charged + entry[2][2]
      elseif #entries > 0 then
        return entries, charged
      end
    end
    if #page < 256 then break end
    from = '(' .. page[#page][1]
  end
  return entries, charged
end

-- Gives back what an earlier copy captured; the events say so in place of the ones that it wrote.
local function revoke(balance, hold, returned, entries, charged, first, events)
  local account = redis.call('HMGET', balance, 'credits', 'spent', 'calls')
  redis.call('HSET', balance, 'credits', whole(account[1] + charged), 'spent', whole(account[2] - charged),
    'calls', whole(math.max(0, account[3] - returned)))
  redis.call('XDEL', KEYS[1], unpack(entries))
  for i = first, first + events * 3 - 1, 3 do write(hold, 0, ARGV[i + 2]) end
end

local replies, key, arg = {}, 2, 2
while arg <= #ARGV do
  local hold, price, returned, manner = ARGV[arg], tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2]), ARGV[arg + 3]
  local kept, events, first = ARGV[arg + 4], tonumber(ARGV[arg + 7]), arg + 8
  local balance, holds = KEYS[key], KEYS[key + 1]
  local call = kept ~= '' and KEYS[key + 2]
  local record = call and redis.call('HMGET', call, 'hold', 'answer') or {}
  local is_ours = record[1] == hold
  local is_answered = is_ours and record[2]
  local status, credits, charged = 0, -1, 0
  local was_open = redis.call('HDEL', holds, hold) == 1
  if was_open then
    credits, charged = capture(balance, manner == 'orphan' and '' or hold, price, returned, events, first)
    status = 1
  elseif (manner == 'settle' or manner == 'release') and redis.call('HEXISTS', balance, 'closed:' .. hold) == 0 then
    local entries, captured = recall(hold)
    if #entries > 0 then
      if manner == 'release' and not is_answered then
        revoke(balance, hold, returned, entries, captured, first, events)
        captured = 0
      end
      status, credits, charged = 1, tonumber(redis.call('HGET', balance, 'credits') or -1), captured
    end
  end
  if manner == 'abandon' or (manner ~= 'settle' and status == 1 and not is_answered) then
    redis.call('HSET', balance, 'closed:' .. hold, redis.call('TIME')[1])
  end
  if is_ours and kept == 'keep' and status == 1 then
    redis.call('HSET', call, 'answer', ARGV[arg + 6])
    redis.call('PEXPIRE', call, ARGV[arg + 5])
  elseif is_ours and kept == 'drop' and not is_answered then
    redis.call('DEL', call)
  end
  key = key + (call and 3 or 2)
  arg = first + events * 3
  replies[#replies + 1] = status
  replies[#replies + 1] = credits
  replies[#replies + 1] = charged
end
return replies
