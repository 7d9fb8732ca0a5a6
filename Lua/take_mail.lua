-- take_mail: gives a stream of a session what the session has been told and no other of its streams has got.
-- KEYS  mail, taken, runs
-- ARGV  lifetime, after, most, stream, kept
-- REPLY {seen, count, id, message, …}: up to where it has looked, through how many messages, and those that are the stream's
-- EFFECT it looks through `most` messages after the id `after`; empty stands for the last that was taken, unless that was by the same stream. What nobody has taken is the stream's from then on, and what it
-- has got before it gets again. `taken` is the last message that was taken, `runs` has who took what as `first last stream`: the last `kept` of
-- them, and each has a message at least. Both are kept for lifetime milliseconds. A message below `taken` that is in no run was taken by a node
-- of a version that wrote none, and is anybody's.
local function parts(id)
  local time, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(time), tonumber(number)
end
local function isLater(id, other)
  local time, number = parts(id)
  local before, place = parts(other)
  return time > before or time == before and number > place
end
local runs = redis.call('LRANGE', KEYS[3], 0, -1)
local function run(index)
  if runs[index] then return string.match(runs[index], '^(%S+) (%S+) (.*)$') end
end
local newestFirst, newestLast, taker = run(#runs)
local mark = redis.call('GET', KEYS[2]) or '0-0'
local after = ARGV[2]
if after == '' then after = taker == ARGV[4] and '0-0' or mark end
local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', ARGV[3])
if #entries == 0 then return {after, 0} end
local reply, place, begun, ended = {entries[#entries][1], #entries}, 1, nil, nil
for i = 1, #entries do
  local id, isGiven = entries[i][1], true
  if isLater(id, mark) then
    begun, ended = begun or id, id
  else
    local first, last, stream = run(place)
    while last and isLater(id, last) do
      place = place + 1
      first, last, stream = run(place)
    end
    isGiven = not last or isLater(first, id) or stream == ARGV[4]
  end
  if isGiven then
    reply[#reply + 1] = id
    reply[#reply + 1] = entries[i][2][2]
  end
end
if not ended then return reply end
redis.call('SET', KEYS[2], ended, 'PX', ARGV[1])
if newestLast == mark and taker == ARGV[4] then
  redis.call('LSET', KEYS[3], -1, newestFirst .. ' ' .. ended .. ' ' .. taker)
else
  redis.call('RPUSH', KEYS[3], begun .. ' ' .. ended .. ' ' .. ARGV[4])
  redis.call('LTRIM', KEYS[3], '-' .. ARGV[5], -1)
end
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return reply
