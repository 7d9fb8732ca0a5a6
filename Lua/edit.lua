-- edit: one change of one record: whole, once for each operation, seen by every node.
-- KEYS  record, operation, feed, audit, account, versions, index, list...
-- ARGV  fingerprint, retention, expected, topic, id, channel, origin, audit event, retained, guard, score,
--       end, fields, {field, value}..., removed, {field}..., account fields, {field, value}..., lists, {place}..., words, {old, new}...
-- REPLY {0 done, version} {1 not as expected, version or -1} {2 the operation id was used for another request} {3 the index is full}
-- EFFECT the record has the fields and the next version, its account the account fields and the same version; `guard`, if any, is that
-- version in `versions`; `index`, if a score is given, lists the id, and so does each list, by its place in it, or not any more where that is '';
-- each of the last lists, `words` of them, lists a word in place of an old one, '' for none;
-- a record that has an end (ms) is gone then; audit stream and change feed are told. An operation that was carried
-- out before is answered as it was then, for `retention` ms. `expected` is the version that the change was made for, '' for none:
-- a new record, 'under:' and a number: a new one where the index lists fewer, or 'delete:' and a version: the record goes, its account stays. The last three keys are used only where they are asked for.
--#include integer
local done = redis.call('HMGET', KEYS[2], 'fingerprint', 'version')
if done[1] then
  if done[1] ~= ARGV[1] then return {2} end
  return {0, tonumber(done[2])}
end
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
local expected, deletes = string.match(ARGV[3], '^delete:(%d+)$'), false
local room = tonumber(string.match(ARGV[3], '^under:(%d+)$') or '')
if expected then deletes = true else expected = room and '' or ARGV[3] end
if (expected == '' and version ~= -1) or (expected ~= '' and tonumber(expected) ~= version) then return {1, version} end
if room and redis.call('ZCARD', KEYS[7]) >= room then return {3} end
-- A successor of a record that was deleted goes on where its account is: no version of one id ever stands for two things.
version = math.max(version, tonumber(redis.call('HGET', KEYS[5], 'version') or 0)) + 1
local at = 13
local function list(width)
  local count, values = tonumber(ARGV[at]), {}
  for i = 1, count * width do values[i] = ARGV[at + i] end
  at = at + 1 + count * width
  return values
end
local fields, removed, account, places, words = list(2), list(1), list(2), list(1), list(2)
if deletes then
  redis.call('DEL', KEYS[1])
  if ARGV[11] ~= '' then redis.call('ZREM', KEYS[7], ARGV[5]) end
else
  fields[#fields + 1] = 'version'
  fields[#fields + 1] = integer(version)
  redis.call('HSET', KEYS[1], unpack(fields))
  if #removed > 0 then redis.call('HDEL', KEYS[1], unpack(removed)) end
  if ARGV[11] ~= '' then redis.call('ZADD', KEYS[7], ARGV[11], ARGV[5]) end
  if ARGV[12] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[12]) end
end
for i, place in ipairs(places) do
  if deletes or place == '' then redis.call('ZREM', KEYS[7 + i], ARGV[5]) else redis.call('ZADD', KEYS[7 + i], place, ARGV[5]) end
end
for i = 1, #words, 2 do
  local key, old, new = KEYS[7 + #places + (i + 1) / 2], words[i], words[i + 1]
  if old ~= '' and (deletes or old ~= new) then redis.call('ZREM', key, old) end
  if new ~= '' and not deletes then redis.call('ZADD', key, 0, new) end
end
if #account > 0 then
  account[#account + 1] = 'version'
  account[#account + 1] = integer(version)
  redis.call('HSET', KEYS[5], unpack(account))
end
if ARGV[10] ~= '' then redis.call('HSET', KEYS[6], ARGV[10], integer(version)) end
redis.call('HSET', KEYS[2], 'fingerprint', ARGV[1], 'version', integer(version))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if ARGV[8] ~= '' then redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[9], '*', 'e', ARGV[8]) end
local sequence = redis.call('INCR', KEYS[3])
redis.call('PUBLISH', ARGV[6], ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. integer(version) .. ' ' .. integer(sequence) .. ' ' .. ARGV[7])
return {0, version}
