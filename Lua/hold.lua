-- fragment hold: what lies in the list of open holds of a node under a hold's name: a letter, then packed fields in their order.
-- Both:  format, p price, n calls, a legs {account, 1 funded or 2 bare...} | m counts {leg, meter, kind, period, amount...} or false |
--        k call key or '', s primary shard or ''
-- Open (o):  e event
-- Done (d):  c charges {credits...}, x entries {stream id...}, r calls returned, b whether another node closed it
-- A further field goes to the end, so that nodes of two versions read each other's. What stands before the counts and behind them in an
-- open hold is packed by the node that asks for it (`HoldText`), and what is common to both is kept as it is when the hold is done.
local COMMON, NOTHING = 7, {}
local NO_COUNTS = cmsgpack.pack(false)

local function hold_open(head, counts, tail) return 'o' .. head .. (#counts > 0 and cmsgpack.pack(counts) or NO_COUNTS) .. tail end

-- Of the hold that `held` was read from.
local function hold_done(held, charges, entries, returned, orphan)
  return 'd' .. held.common .. cmsgpack.pack(charges, entries, returned, orphan)
end

-- The mark of a hold that is never to be opened.
local function hold_barred() return 'd' .. cmsgpack.pack(2, 0, 0, {}, false, '', '', {}, {}, 0, false) end

local function hold_is_open(text) return string.byte(text) == 111 end

-- The fields by their letters. Raises where it is no hold.
local function hold_read(text)
  local rest, format, p, n, a, m, k, s = cmsgpack.unpack_limit(text, COMMON, 1)
  if type(format) ~= 'number' or type(a) ~= 'table' or rest < 0 then error('a corrupt hold') end
  local held = {p = p, n = n, a = a, m = m or NOTHING, k = k, s = s, common = string.sub(text, 2, rest), e = false}
  if hold_is_open(text) then
    rest, held.e = cmsgpack.unpack_one(text, rest)
  else
    rest, held.c, held.x, held.r, held.b = cmsgpack.unpack_limit(text, 4, rest)
  end
  return held
end
