-- top_up: one movement of credits into an account, applied once however often it is sent.
-- KEYS  record, account, operation, audit, touched
-- ARGV  amount, fingerprint, retention, audit event, retained, ceiling
-- REPLY {0 applied, credits} {1 no such key} {2 refused, state} {3 the operation id was used for another request} {4 above the ceiling of credits and spent}
-- EFFECT credits and granted grow by amount; the operation remembers its answer for `retention` ms; the audit stream has its entry, with the
-- balance after it; `touched` lists the key.
--#include integer
--#include touch
local done = redis.call('HMGET', KEYS[3], 'fingerprint', 'credits')
if done[1] then
  if done[1] ~= ARGV[2] then return {3} end
  return {0, tonumber(done[2])}
end
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {1} end
local account = redis.call('HMGET', KEYS[2], 'credits', 'granted', 'expires', 'spent')
local time = redis.call('TIME')
if state == 'revoked' then return {2, state} end
if tonumber(account[3] or '0') > 0 and time[1] * 1000 + time[2] / 1000 >= tonumber(account[3]) then return {2, 'expired'} end
local credits = tonumber(account[1]) + tonumber(ARGV[1])
if credits + tonumber(account[4] or 0) > tonumber(ARGV[6]) then return {4} end
redis.call('HSET', KEYS[2], 'credits', integer(credits), 'granted', integer(tonumber(account[2] or '0') + tonumber(ARGV[1])))
touch(KEYS[5], KEYS[2])
redis.call('HSET', KEYS[3], 'fingerprint', ARGV[2], 'credits', integer(credits))
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[4] .. '\031.newBalance=' .. integer(credits))
return {0, credits}
