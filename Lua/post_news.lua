-- post_news: keeps that a list of the servers has changed, once for all sessions: the last news of each list.
-- KEYS  news
-- ARGV  list, message, node, lifetime, echo, most
-- REPLY {number}: of the news; 0 if as many lists are kept already
-- EFFECT the list's field becomes `number node message`. Numbers are milliseconds of Redis TIME, and only grow. What another node has said in the same words
-- less than `echo` milliseconds ago is the same news, which each node hears from the server by itself, and keeps its number. The last news are
-- kept for lifetime milliseconds.
--#include integer
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, number, isKnown = redis.call('HGETALL', KEYS[1]), now, false
for i = 1, #all, 2 do
  local last, node, message = string.match(all[i + 1], '^(%d+) (%S+) (.*)$')
  last = tonumber(last)
  if all[i] == ARGV[1] then
    isKnown = true
    if node ~= ARGV[3] and message == ARGV[2] and math.abs(now - last) < tonumber(ARGV[5]) then return {last} end
  end
  number = math.max(number, last + 1)
end
if not isKnown and #all / 2 >= tonumber(ARGV[6]) then return {0} end
redis.call('HSET', KEYS[1], ARGV[1], integer(number) .. ' ' .. ARGV[3] .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {number}
