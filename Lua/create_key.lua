-- create_key: brings a key, its account and its credential into being, all or nothing.
-- KEYS  record, balance, credential, keys, feed, audit, alias
-- ARGV  id, now, channel, origin, audit event, retained, alias, credits, limit, expires, {field, value}...
-- REPLY {0 created, version} {1 the credential exists, id} {2 the alias is taken}
-- EFFECT record, balance, credential and index are written; the audit stream has its entry; the change feed is told. now and expires: ms.
--#include whole
local owner = redis.call('GET', KEYS[3])
if owner == ARGV[1] then return {0, 1} end
if owner then return {1, owner} end
if ARGV[7] ~= '' and redis.call('EXISTS', KEYS[7]) == 1 then return {2} end
local fields = {'version', '1'}
for i = 11, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('HSET', KEYS[2], 'credits', ARGV[8], 'granted', ARGV[8], 'spent', '0', 'calls', '0', 'version', '1', 'limit', ARGV[9], 'expires', ARGV[10])
redis.call('SET', KEYS[3], ARGV[1])
if ARGV[7] ~= '' then redis.call('SET', KEYS[7], ARGV[1]) end
redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[6], '*', 'e', ARGV[5])
local sequence = redis.call('INCR', KEYS[5])
redis.call('PUBLISH', ARGV[3], ARGV[1] .. ' 1 ' .. whole(sequence) .. ' ' .. ARGV[4])
return {0, 1}
