-- claim_stream: gives the stream of a call to one of those who resume it, wherever they do.
-- KEYS  reader
-- ARGV  ticket, after, moment, lifetime, leaving
-- REPLY {0, before}: the stream is the ticket's, and whose it was before; '' for nobody's {1, ''}: it is another's, who has resumed it at the same moment
-- EFFECT the stream is the ticket's for lifetime milliseconds, unless another one has claimed it less than `moment` milliseconds of Redis TIME ago, from the same event `after` or a later one on:
-- of two requests at the same moment the first has it. Later the next one has it, as nobody knows of a connection whether it still reaches its client; and at once who has got something
-- since the last claim. `leaving` 1 gives it back, if it is the ticket's still.
--#include integer
local time, after, ticket = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+) (.*)$')
if ARGV[5] == '1' then
  if ticket == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return {0, ''}
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local isOthers = ticket and ticket ~= ARGV[1]
if isOthers and math.abs(now - tonumber(time)) < tonumber(ARGV[3]) and tonumber(ARGV[2]) <= tonumber(after) then return {1, ''} end
redis.call('SET', KEYS[1], integer(now) .. ' ' .. ARGV[2] .. ' ' .. ARGV[1], 'PX', ARGV[4])
return {0, isOthers and ticket or ''}
