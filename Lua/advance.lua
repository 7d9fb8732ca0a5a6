-- advance: what a consumer of events has made of a page of them, and its cursor, in one step: each event counts once.
-- KEYS  cursor, hash...
-- ARGV  expected, next, retention, sums, {key#, field, amount}...
-- REPLY {0 done} {1 the cursor is elsewhere, cursor}
-- EFFECT the fields grow by their amounts and the cursor moves, if it is where the page began; hashes are kept for `retention` ms.
local cursor = redis.call('GET', KEYS[1]) or '0-0'
if cursor ~= ARGV[1] then return {1, cursor} end
local seen = {}
for i = 5, #ARGV, 3 do
  local key = KEYS[tonumber(ARGV[i])]
  redis.call('HINCRBY', key, ARGV[i + 1], ARGV[i + 2])
  seen[key] = true
end
for key in pairs(seen) do redis.call('PEXPIRE', key, ARGV[3]) end
redis.call('SET', KEYS[1], ARGV[2])
return {0}
