-- open_calls: what a node has open in a shard, a page at a time; for readings.
-- KEYS  open holds of the node
-- ARGV  cursor
-- REPLY {next cursor, {hold, calls, event}...}: 0 is the last cursor; a page may repeat what another one said. Only holds that decide: one
--       that follows another shard's is read there.
-- EFFECT none
--#include hold
--#include hold_fields
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 200)
local reply = {page[1]}
for i = 1, #page[2], 2 do
  local hold, text = page[2][i], page[2][i + 1]
  if hold ~= '!' and hold_is_open(text) then
    local fine, held = pcall(hold_fields, text)
    if fine and held.s == '' then reply[#reply + 1] = {hold, held.n, held.e} end
  end
end
return reply
