-- advance: what the maker of the hourly sums has made of a page of each of its two streams, and its cursors, in one step: each event counts once.
-- KEYS  cursor, other cursor, hours, hash...
-- ARGV  expected, next, other expected, other next, retention, sums, {key#, field, value}...
-- REPLY {0 done} {1 a cursor is elsewhere, cursor}
-- EFFECT fields become the values and the cursors move, if both are where the pages began: who has read the fields after the cursors knows
-- then what they were. Hashes are kept for `retention` ms; `hours` counts the changes of each, by the number that ends its name, and forgets
-- those that are older than that.
for i = 1, 2 do
  local cursor = redis.call('GET', KEYS[i]) or '0-0'
  if cursor ~= ARGV[i * 2 - 1] then return {1, cursor} end
end
local seen = {}
for i = 7, #ARGV, 3 do
  local key = KEYS[tonumber(ARGV[i])]
  redis.call('HSET', key, ARGV[i + 1], ARGV[i + 2])
  seen[key] = true
end
for key in pairs(seen) do
  redis.call('PEXPIRE', key, ARGV[5])
  if redis.call('HINCRBY', KEYS[3], string.match(key, '(%d+)$'), 1) == 1 then
    local oldest = math.floor((redis.call('TIME')[1] * 1000 - ARGV[5]) / 3600000)
    for _, hour in ipairs(redis.call('HKEYS', KEYS[3])) do
      if tonumber(hour) < oldest then redis.call('HDEL', KEYS[3], hour) end
    end
  end
end
for i = 1, 2 do
  if ARGV[i * 2] ~= ARGV[i * 2 - 1] then redis.call('SET', KEYS[i], ARGV[i * 2]) end
end
return {0}
