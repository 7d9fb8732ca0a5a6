-- claim_news: gives news of lists to one stream of a session, and to no other.
-- KEYS  told
-- ARGV  lifetime, stream, {list, number}...
-- REPLY {1, …}: for each of them 1 if it is the stream's to tell, 0 if another stream has told it, or newer ones of that list
-- EFFECT the session's field of a list becomes `number stream` where that was older. What a stream has got it gets again.
local reply = {}
for i = 3, #ARGV, 2 do
  local number, stream = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '0 ', '^(%d+) (.*)$')
  number = tonumber(number)
  local isNew = number < tonumber(ARGV[i + 1])
  if isNew then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[2]) end
  reply[#reply + 1] = (isNew or number == tonumber(ARGV[i + 1]) and stream == ARGV[2]) and 1 or 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return reply
