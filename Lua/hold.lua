-- fragment hold: what lies in the list of open holds of a node under a hold's name: a letter, then packed fields in their order.
-- Both:  format, p price, n calls, a legs {account, 1 funded or 2 bare...} | m counts {leg, meter, kind, period, amount...} or false |
--        k call key or '', s primary shard or ''
-- Open (o):  e event | l caps of the counts {credits, 0 for none...}, where one of them is a cap of credits
-- Done (d):  c charges {credits...}, x entries {stream id...}, r calls returned, b whether another node closed it
-- A further field goes to the end, so that nodes of two versions read each other's. What stands before the counts and behind them in an
-- open hold is packed by the node that asks for it (`AdmissionPart`), and what is common to both is kept as it is when the hold is done.

-- Whether it is open, where the fields end that are common to both, and they; what follows is read from there. Raises where it is no hold.
local function hold_read(text)
  local rest, format, p, n, a, m, k, s = cmsgpack.unpack_limit(text, 7, 1)
  if type(format) ~= 'number' or type(a) ~= 'table' or rest < 0 then error('a corrupt hold') end
  return string.byte(text) == 111, rest, p, n, a, m, k, s
end

-- What an open hold becomes, or a done one of which more goes back.
local function hold_done(text, rest, charges, entries, returned, orphan)
  return 'd' .. string.sub(text, 2, rest) .. cmsgpack.pack(charges, entries, returned, orphan)
end
