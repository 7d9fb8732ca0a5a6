-- deliver: credits that another shard has set aside arrive in an account: once, or never.
-- KEYS  record, account, mark, touched
-- ARGV  amount, retention, ceiling of credits and spent
-- REPLY {0 delivered, credits} {1 refused, why}: `missing`, `revoked`, `expired` or `ceiling`
-- EFFECT credits and granted grow by amount, and `touched` lists the key; the mark remembers for `retention` ms what was decided, and it is
-- never decided otherwise.
--#include integer
--#include touch
local done = redis.call('HMGET', KEYS[3], 'credits', 'why')
if done[1] then return {0, tonumber(done[1])} end
if done[2] then return {1, done[2]} end
local state = redis.call('HGET', KEYS[1], 'state')
local account = redis.call('HMGET', KEYS[2], 'credits', 'granted', 'expires', 'spent')
local time = redis.call('TIME')
local credits, why = tonumber(account[1] or 0) + tonumber(ARGV[1]), nil
if not state or not account[1] then
  why = 'missing'
elseif state == 'revoked' then
  why = state
elseif tonumber(account[3] or 0) > 0 and time[1] * 1000 + time[2] / 1000 >= tonumber(account[3]) then
  why = 'expired'
elseif credits + tonumber(account[4] or 0) > tonumber(ARGV[3]) then
  why = 'ceiling'
else
  touch(KEYS[4], KEYS[2])
  redis.call('HSET', KEYS[2], 'credits', integer(credits), 'granted', integer(tonumber(account[2] or 0) + tonumber(ARGV[1])))
end
redis.call('HSET', KEYS[3], why and 'why' or 'credits', why or integer(credits))
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if why then return {1, why} end
return {0, credits}
