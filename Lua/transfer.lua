-- transfer: moves credits between two keys of one shard: both legs or neither, once for each operation.
-- KEYS  record, account, target record, target account, operation, audit, touched
-- ARGV  amount, fingerprint, retention, audit event, retained, ceiling
-- REPLY {0 done, credits, target's credits} {1 no such key} {2 refused, state} {3 the operation id was used for another request}
--       {4 insufficient, credits, held} {5 above the target's ceiling of credits and spent}
-- EFFECT credits and granted fall here and grow there; the operation remembers its answer for `retention` ms; the audit stream has its entry,
-- with both balances; `touched` lists both keys.
--#include integer
--#include touch
local done = redis.call('HMGET', KEYS[5], 'fingerprint', 'credits', 'target')
if done[1] then
  if done[1] ~= ARGV[2] then return {3} end
  return {0, tonumber(done[2]), tonumber(done[3])}
end
local time = redis.call('TIME')
local now, amount, legs = time[1] * 1000 + time[2] / 1000, tonumber(ARGV[1]), {}
for i = 1, 2 do
  local state = redis.call('HGET', KEYS[i * 2 - 1], 'state')
  local account = redis.call('HMGET', KEYS[i * 2], 'credits', 'granted', 'expires', 'held', 'spent')
  if not state or not account[1] then return {1} end
  if state == 'revoked' then return {2, state} end
  if tonumber(account[3] or 0) > 0 and now >= tonumber(account[3]) then return {2, 'expired'} end
  legs[i] = {
    credits = tonumber(account[1]), granted = tonumber(account[2] or 0), held = tonumber(account[4] or 0), spent = tonumber(account[5] or 0),
  }
end
local from, to = legs[1], legs[2]
if amount > from.credits then return {4, from.credits, from.held} end
from.credits, to.credits = from.credits - amount, to.credits + amount
if to.credits + to.spent > tonumber(ARGV[6]) then return {5} end
redis.call('HSET', KEYS[2], 'credits', integer(from.credits), 'granted', integer(from.granted - amount))
redis.call('HSET', KEYS[4], 'credits', integer(to.credits), 'granted', integer(to.granted + amount))
touch(KEYS[7], KEYS[2])
touch(KEYS[7], KEYS[4])
redis.call('HSET', KEYS[5], 'fingerprint', ARGV[2], 'credits', integer(from.credits), 'target', integer(to.credits))
redis.call('PEXPIRE', KEYS[5], ARGV[3])
local event = ARGV[4] .. '\031.fromBalance=' .. integer(from.credits) .. '\031.toBalance=' .. integer(to.credits)
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[5], '*', 'e', event)
return {0, from.credits, to.credits}
