-- settle: closes holds, each exactly once: what was really used is charged, the rest goes back, the events are written.
-- KEYS  usage, {balance, hold, [call]}...
-- ARGV  retained, {hold, price, returned, tombstone, kept, retention, answer, events, {base, surcharge, event}...}...
-- REPLY {status, credits, charged}... where status is 1 settled, 0 not open any more; credits after it
-- EFFECT the hold is gone; balance and spent move by price - charged, calls by -returned; the usage stream has an entry an event.
-- A surcharge is granted as far as the balance goes (F-PRICE-06). `kept` is the call record: '' none, 'keep' store the answer, 'drop' delete.
-- `tombstone` 1 marks a hold that was never seen open, so that an admission still under way cannot open it later.
--#include whole
local replies, key, arg = {}, 2, 2
while arg <= #ARGV do
  local hold, price, returned, tombstone, kept = ARGV[arg], tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2]), ARGV[arg + 3], ARGV[arg + 4]
  local retention, answer, events = ARGV[arg + 5], ARGV[arg + 6], tonumber(ARGV[arg + 7])
  local balance, holds = KEYS[key], KEYS[key + 1]
  local call = kept ~= '' and KEYS[key + 2]
  key = key + (call and 3 or 2)
  arg = arg + 8
  local status, credits, charged = 0, -1, 0
  if redis.call('HDEL', holds, hold) == 1 then
    status = 1
    local account = redis.call('HMGET', balance, 'credits', 'spent', 'calls')
    local available = tonumber(account[1] or '0') + price
    local wanted = 0
    for i = 0, events - 1 do wanted = wanted + tonumber(ARGV[arg + i * 3]) end
    local spare = available - wanted
    for i = 0, events - 1 do
      local base, surcharge = tonumber(ARGV[arg + i * 3]), tonumber(ARGV[arg + i * 3 + 1])
      local granted = math.max(0, math.min(surcharge, spare))
      spare = spare - granted
      charged = charged + base + granted
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'c', whole(base + granted), 'e', ARGV[arg + i * 3 + 2])
    end
    credits = available - charged
    if account[1] and (charged ~= price or returned > 0) then
      redis.call('HSET', balance, 'credits', whole(credits), 'spent', whole(tonumber(account[2]) + charged - price),
        'calls', whole(tonumber(account[3]) - returned))
    end
  elseif tombstone == '1' then
    redis.call('HSET', holds, hold, '')
  end
  if call and redis.call('HGET', call, 'hold') == hold then
    if kept == 'keep' and status == 1 then
      redis.call('HSET', call, 'answer', answer)
      redis.call('PEXPIRE', call, retention)
    elseif kept == 'drop' then
      redis.call('DEL', call)
    end
  end
  arg = arg + events * 3
  replies[#replies + 1] = status
  replies[#replies + 1] = credits
  replies[#replies + 1] = charged
end
return replies
