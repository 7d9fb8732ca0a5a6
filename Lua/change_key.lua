-- change_key: changes fields of a key's record if it is in a state that allows it, and bumps its version.
-- KEYS  record, balance, feed, audit
-- ARGV  id, channel, origin, audit event, retained, limit, expires, states, operation, {field, value}...
-- REPLY {0 changed, version} {1 no such key} {2 refused, the state it is in}
-- EFFECT record and account hold the new values; every node that decided by the old version is told so by its next admission.
-- An operation that was applied before is answered as it was then.
-- `states` lists the states that allow it between commas; `limit` and `expires` (ms) are '' where they stay.
--#include whole
local before = redis.call('HMGET', KEYS[1], 'state', 'operation', 'version')
local state = before[1]
if not state then return {1} end
if before[2] == ARGV[9] then return {0, tonumber(before[3])} end
if not string.find(ARGV[8], ',' .. state .. ',', 1, true) then return {2, state} end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
local account = {'version', version}
if ARGV[6] ~= '' then account[#account + 1] = 'limit'; account[#account + 1] = ARGV[6] end
if ARGV[7] ~= '' then account[#account + 1] = 'expires'; account[#account + 1] = ARGV[7] end
redis.call('HSET', KEYS[2], unpack(account))
local fields = {'operation', ARGV[9]}
for i = 10, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[4])
local sequence = redis.call('INCR', KEYS[3])
redis.call('PUBLISH', ARGV[2], ARGV[1] .. ' ' .. whole(version) .. ' ' .. whole(sequence) .. ' ' .. ARGV[3])
return {0, version}
