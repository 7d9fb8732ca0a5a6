-- fragment hold: what lies in the list of open holds of a node under a hold's name: a letter, then packed fields in their order.
-- Both:  format, p price, n calls, a legs {account, 1 funded or 2 bare...}, m counts {leg, meter, kind, period, amount...} or false, k call key or '',
--        s primary shard or ''
-- Open (o):  e event
-- Done (d):  c charges {credits...}, x entries {stream id...}, r calls returned, b whether another node closed it
-- A further field goes to the end, so that nodes of two versions read each other's.
local FORMAT, NOTHING = 2, {}

local function hold_open(price, count, legs, counts, key, primary, event)
  return 'o' .. cmsgpack.pack(FORMAT, price, count, legs, #counts > 0 and counts, key, primary, event)
end

local function hold_done(held, charges, entries, returned, orphan)
  return 'd' .. cmsgpack.pack(FORMAT, held.p, held.n, held.a, #held.m > 0 and held.m, held.k, held.s, charges, entries, returned, orphan)
end

-- The mark of a hold that is never to be opened.
local function hold_barred() return hold_done({p = 0, n = 0, a = {}, m = NOTHING, k = '', s = ''}, {}, {}, 0, false) end

local function hold_is_open(text) return string.byte(text) == 111 end

-- The fields by their letters. Raises where it is no hold.
local function hold_read(text)
  local held, format = {}, nil
  if hold_is_open(text) then
    format, held.p, held.n, held.a, held.m, held.k, held.s, held.e = cmsgpack.unpack(string.sub(text, 2))
  else
    format, held.p, held.n, held.a, held.m, held.k, held.s, held.c, held.x, held.r, held.b = cmsgpack.unpack(string.sub(text, 2))
  end
  if type(format) ~= 'number' or type(held.a) ~= 'table' then error('a corrupt hold') end
  held.m = held.m or NOTHING
  return held
end
