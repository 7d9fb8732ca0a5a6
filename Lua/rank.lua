-- rank: how many entries of a sorted set stand before a place, whether it is taken or not.
-- KEYS  index
-- ARGV  {score, member}...
-- REPLY {0, entries, {before, 1 if the place is taken}...}
-- EFFECT none. Of entries with one score, which may be all, the members are halved, so it costs some dozen looks. Members are compared as
-- Redis orders them, byte by byte, and not by the letters of a language, as Lua would.
local function precedes(one, other)
  for i = 1, math.min(#one, #other) do
    local left, right = string.byte(one, i), string.byte(other, i)
    if left ~= right then return left < right end
  end
  return #one < #other
end

local reply = {0, redis.call('ZCARD', KEYS[1])}
for i = 1, #ARGV, 2 do
  local score, member = ARGV[i], ARGV[i + 1]
  local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
  local high, taken = low + redis.call('ZCOUNT', KEYS[1], score, score), 0
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', KEYS[1], middle, middle)[1]
    if found == member then low, high, taken = middle, middle, 1
    elseif precedes(found, member) then low = middle + 1
    else high = middle end
  end
  reply[#reply + 1] = low
  reply[#reply + 1] = taken
end
return reply
