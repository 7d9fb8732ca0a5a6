-- fragment meter: the meters of accounts that were read by the fragment account.

-- What a calendar or lifetime meter that has `used` of its period `of` holds now, and of which period. One whose period is in the future (the
-- clock has stepped back) goes on counting there, so that no period is ever counted anew.
local function meter_of(used, of, period)
  if of < period then return 0, period end
  return used, of
end

-- The same of a meter's text; nil where it is no meter.
local function meter_read(text, period)
  if text == '' then return 0, period end
  local of, used = string.match(text, '^(%d+):(%d+)$')
  if not of then return nil end
  return meter_of(tonumber(used), tonumber(of), period)
end

local function account_set(account, name, value)
  if not account.changed then account.changed = {} end
  account.meters[name], account.changed[name], account.dirty = value, value, true
end
