-- claim: a name that one owner has alone (the digest of a credential, an alias), with what is known of it.
-- KEYS  name
-- ARGV  owner, verb, {field, value}...
-- REPLY {0 it is the owner's} {1 taken, owner}
-- EFFECT `take` writes owner and fields where nobody has the name, `leave` gives it back if the owner has it. Both may be sent twice.
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return {1, owner} end
if ARGV[2] == 'leave' then
  redis.call('DEL', KEYS[1])
else
  local fields = {'owner', ARGV[1]}
  for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
  redis.call('HSET', KEYS[1], unpack(fields))
end
return {0}
