-- fragment touch: notes that an account has moved outside of a call, for the orders of keys by their money (order_keys.lua).
local function touch(list, account) redis.call('SADD', list, string.match(account, '[^:]+$')) end
