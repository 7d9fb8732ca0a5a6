-- take_mail: gives what a session has been told to one of its streams, and to no other.
-- KEYS  mail, taken
-- ARGV  lifetime, after, most
-- REPLY {before, id, message, …}: where it begins, and at most `most` messages with their ids
-- EFFECT what is given counts as taken. `after` is empty, for what nobody has taken, or the id of the last message that a stream which broke has
-- got: then what came after it is given again. The mark is kept for lifetime milliseconds.
local before = ARGV[2]
if before == '' then before = redis.call('GET', KEYS[2]) or '0-0' end
local entries = redis.call('XRANGE', KEYS[1], '(' .. before, '+', 'COUNT', ARGV[3])
local reply = {before}
for i = 1, #entries do
  reply[2 * i], reply[2 * i + 1] = entries[i][1], entries[i][2][2]
end
if #entries > 0 then redis.call('SET', KEYS[2], entries[#entries][1], 'PX', ARGV[1]) end
return reply
