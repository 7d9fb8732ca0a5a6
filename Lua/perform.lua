-- perform: plain commands of one operation and its audit entry, in one step, once however often it is sent.
-- KEYS  operation, audit, name...
-- ARGV  fingerprint, retention, audit event, retained, told, then for each command: verb, words, {word}...
-- REPLY {0 done, answer} {1 the operation id was used for another request}
-- EFFECT each verb is carried out on its name, with its words behind that; the answer is that of the first, a whole number, and 0 where there
-- is no command. The operation remembers it for `retention` ms; the audit stream has the entry, with the answer under the name `told` if there is one.
--#include integer
local done = redis.call('HMGET', KEYS[1], 'fingerprint', 'answer')
if done[1] then
  if done[1] ~= ARGV[1] then return {1} end
  return {0, tonumber(done[2])}
end
local at, answer = 6, nil
for name = 3, #KEYS do
  local words = {}
  for i = 1, tonumber(ARGV[at + 1]) do words[i] = ARGV[at + 1 + i] end
  local reply = redis.call(ARGV[at], KEYS[name], unpack(words))
  answer, at = answer or reply, at + 2 + #words
end
answer = integer(answer or 0)
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'answer', answer)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local told = ARGV[5] == '' and '' or '\031.' .. ARGV[5] .. '=' .. answer
if ARGV[3] ~= '' then redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[3] .. told) end
return {0, tonumber(answer)}
