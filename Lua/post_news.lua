-- post_news: keeps that a list of the servers has changed, once for all sessions: the last news of each list.
-- KEYS  news
-- ARGV  list, message, node, lifetime, echo, most, channel
-- REPLY {number}: of the news; 0 if as many lists are kept already
-- EFFECT the list's field becomes `number nodes message`, and every node is told the number. Numbers are milliseconds of Redis TIME, and only grow. What
-- others have said in the same words less than `echo` milliseconds ago, and this node has not, is the same news, which each node hears from the
-- server by itself: it keeps its number, and the node is added to those that have said it. The last news are kept for lifetime milliseconds.
--#include integer
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, number, isKnown = redis.call('HGETALL', KEYS[1]), now, false
for i = 1, #all, 2 do
  local last, nodes, message = string.match(all[i + 1], '^(%d+) (%S+) (.*)$')
  last = tonumber(last)
  if all[i] == ARGV[1] then
    isKnown = true
    local hasSaid = string.find(',' .. nodes .. ',', ',' .. ARGV[3] .. ',', 1, true)
    if not hasSaid and message == ARGV[2] and math.abs(now - last) < tonumber(ARGV[5]) then
      redis.call('HSET', KEYS[1], ARGV[1], integer(last) .. ' ' .. nodes .. ',' .. ARGV[3] .. ' ' .. message)
      return {last}
    end
  end
  number = math.max(number, last + 1)
end
if not isKnown and #all / 2 >= tonumber(ARGV[6]) then return {0} end
redis.call('HSET', KEYS[1], ARGV[1], integer(number) .. ' ' .. ARGV[3] .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[7], 'news ' .. integer(number) .. ' 0 0 ' .. ARGV[3])
return {number}
