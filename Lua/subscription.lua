-- subscription: what a session has subscribed to, and which node holds each of that at its server: one at a time.
-- KEYS  subscriptions
-- ARGV  verb, lifetime, holder, resource, value, most, bytes, channel, notice
-- REPLY {0, word...} as the verb says {1} there is no room
-- EFFECT `hold` makes the holder that of the resource, in place of any other; there are at most so many resources, and so many bytes of their
-- names. `drop` ends the subscription, whoever holds it, and replies with who did; `leave` ends it if it is the holder's. `keep` replies with
-- the resources that are the holder's. `inherit` makes its own what the node held that is named in place of the resource, and replies with all
-- that is its own, each followed by its value. Whoever else held what changes hands, or ends, is told by the notice. What is kept of a
-- resource is its holder, a space, and the value. lifetime is milliseconds after the last `hold`, `keep` or `inherit`.
local key, verb, holder, resource = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local function parts(text)
  local at = string.find(text, ' ', 1, true) or #text + 1
  return string.sub(text, 1, at - 1), string.sub(text, at + 1)
end
local function tell(other)
  if other ~= holder then redis.call('PUBLISH', ARGV[8], ARGV[9]) end
end
if verb == 'hold' then
  local old = redis.call('HGET', key, resource)
  if not old then
    local names, bytes = redis.call('HKEYS', key), #resource
    for i = 1, #names do bytes = bytes + #names[i] end
    if #names >= tonumber(ARGV[6]) or bytes > tonumber(ARGV[7]) then return {1} end
  end
  redis.call('HSET', key, resource, holder .. ' ' .. ARGV[5])
  redis.call('PEXPIRE', key, ARGV[2])
  if old then tell((parts(old))) end
  return {0}
end
if verb == 'drop' or verb == 'leave' then
  local old = redis.call('HGET', key, resource)
  local other = old and parts(old) or ''
  if not old or verb == 'leave' and other ~= holder then return {0, other} end
  redis.call('HDEL', key, resource)
  tell(other)
  return {0, other}
end
local reply, flat = {0}, redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local other, value = parts(flat[i + 1])
  if verb == 'inherit' and other == resource then
    redis.call('HSET', key, flat[i], holder .. ' ' .. value)
    other = holder
  end
  if other == holder then
    reply[#reply + 1] = flat[i]
    if verb == 'inherit' then reply[#reply + 1] = value end
  end
end
redis.call('PEXPIRE', key, ARGV[2])
return reply
