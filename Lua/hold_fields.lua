-- fragment hold_fields: a hold by the letters of its fields, for scripts that look at some now and then; wants the fragment hold.
local function hold_is_open(text) return string.byte(text) == 111 end

-- Raises where it is no hold.
local function hold_fields(text)
  local is_open, rest, p, n, a, m, k, s = hold_read(text)
  local held, _ = {p = p, n = n, a = a, m = m or {}, k = k, s = s}, nil
  if is_open then
    _, held.e = cmsgpack.unpack_one(text, rest)
  else
    _, held.c, held.x, held.r, held.b = cmsgpack.unpack_limit(text, 4, rest)
  end
  return held
end
