-- order_keys: puts keys into the orders by what their accounts say now.
-- KEYS  touched, credits, spent, calls, used, account...
-- ARGV  {id}...
-- REPLY {0, keys that have an account}
-- EFFECT each of the four orders lists each of the keys by its balance, what it has spent without what is reserved, its calls and its last
-- use (ms, 0 for never); `touched` does not list it any more. Whoever sends it, late or twice: what it writes is what is true then.
--#include integer
redis.call('SREM', KEYS[1], unpack(ARGV))
local orders = {{}, {}, {}, {}}
for i, id in ipairs(ARGV) do
  local account = redis.call('HMGET', KEYS[5 + i], 'credits', 'spent', 'calls', 'used', 'held')
  local spent, held = tonumber(account[2] or '0'), tonumber(account[5] or '0')
  if account[1] and spent and held then
    for order, value in ipairs({account[1], integer(spent - held), account[3] or '0', account[4] or '0'}) do
      local places = orders[order]
      places[#places + 1] = value
      places[#places + 1] = id
    end
  end
end
if #orders[1] > 0 then
  for order, places in ipairs(orders) do redis.call('ZADD', KEYS[1 + order], unpack(places)) end
end
return {0, #orders[1] / 2}
