-- fence: shuts a dead node out of a shard and lists what it has left open there, a page at a time.
-- KEYS  open holds of the node
-- ARGV  cursor
-- REPLY {next cursor, {hold, state, call key or '', primary or '', account id...}...}: 0 is the last cursor; a hold that cannot be read has
--       no accounts; state is `open`, or `done` for one that follows another shard's and was not given back whole
-- EFFECT admissions of the node are refused from here on; the list stays until everything in it has been resolved.
--#include hold
--#include hold_fields
redis.call('HSET', KEYS[1], '!', '0')
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 200)
local reply = {page[1]}
for i = 1, #page[2], 2 do
  local hold, text = page[2][i], page[2][i + 1]
  if hold ~= '!' then
    local fine, held = pcall(hold_fields, text)
    local is_open = hold_is_open(text)
    if is_open or fine and held.s ~= '' and held.r < held.n then
      local entry = {hold, is_open and 'open' or 'done', fine and held.k or '', fine and held.s or ''}
      for place = 1, fine and #held.a or 0, 2 do entry[#entry + 1] = held.a[place] end
      reply[#reply + 1] = entry
    end
  end
end
return reply
