-- outcome: what became of a hold, as long as that is remembered.
-- KEYS  open holds of its node
-- ARGV  hold
-- REPLY {0 not there, or given back before it was} {1 open} {2 done, charged in all, calls returned, calls}
-- EFFECT none.
--#include hold
--#include hold_fields
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {0} end
if hold_is_open(text) then return {1} end
local held, charged = hold_fields(text), 0
if held.n == 0 then return {0} end
for _, charge in ipairs(held.c) do charged = charged + charge end
return {2, charged, held.r, held.n}
