-- post_mail: keeps what a server says to one session outside of its requests, until one of the session's streams takes it; or an event of a call's stream.
-- KEYS  mail, mark...
-- ARGV  most, lifetime, message, channel, notice, id, {dropped}...
-- REPLY {0}
-- EFFECT the messages with the ids `dropped` make room; the message is added to the stream, which keeps the last `most` for lifetime milliseconds after the last one, and the
-- marks with it, which say what was taken; every node is told by the notice, unless it is empty. id is `*`, or names the message: one that is there already, or has a later
-- one behind it, is passed over.
if #ARGV > 6 then redis.call('XDEL', KEYS[1], unpack(ARGV, 7)) end
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[1], ARGV[6], 'm', ARGV[3])
if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then return added end
for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return {0}
