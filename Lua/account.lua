-- fragment account: the accounts that a script touches, read once each, written once each at the end.
-- An account is a hash: credits, spent, granted, calls, used, version, expires (ms, 0 for never), limit (of spent, 0 for none), held (what of
-- spent is only set aside), refills (of a UTC day), and one field `m:<name>` for the state of each of its meters. A *bare* account belongs to
-- no record: it has the version 0 and the meters of open calls, each for as long as there are some, and nothing else. KEYS are given by their
-- index.
local BASE = {'credits', 'spent', 'calls', 'version', 'expires', 'limit'}
local accounts = {}

-- The account with the meters of `names`; nil if there is none and it is not bare. Raises where it is no account, before anything is changed.
local function account_load(index, names, bare)
  local account = accounts[index]
  local wanted = names
  if account then
    wanted = {}
    for i = 1, #names do
      if account.meters[names[i]] == nil then wanted[#wanted + 1] = names[i] end
    end
    if #wanted == 0 then return account end
    local values = redis.call('HMGET', KEYS[index], unpack(wanted))
    for i = 1, #wanted do account.meters[wanted[i]] = values[i] or '' end
    return account
  end
  local fields = BASE
  if #wanted > 0 then
    fields = {unpack(BASE)}
    for i = 1, #wanted do fields[#BASE + i] = wanted[i] end
  end
  local values = redis.call('HMGET', KEYS[index], unpack(fields))
  if not values[4] and not bare then return nil end
  account = {
    credits = tonumber(values[1] or 0), spent = tonumber(values[2] or 0), calls = tonumber(values[3] or 0), version = values[4] or '0',
    expires = tonumber(values[5] or 0), limit = tonumber(values[6] or 0), meters = {}, changed = {}, bare = bare,
  }
  if not (account.credits and account.spent and account.calls and account.expires and account.limit) then error('a corrupt account') end
  for i = 1, #wanted do account.meters[wanted[i]] = values[#BASE + i] or '' end
  accounts[index] = account
  return account
end

-- What a calendar or lifetime meter holds, and of which period. One whose period is in the future (the clock has stepped back) goes on
-- counting there, so that no period is ever counted anew. Nil where it is no meter.
local function meter_read(text, period)
  if text == '' then return 0, period end
  local of, used = string.match(text, '^(%d+):(%d+)$')
  if not of then return nil end
  of, used = tonumber(of), tonumber(used)
  if of < period then return 0, period end
  return used, of
end

local function account_set(account, name, value)
  account.meters[name] = value
  account.changed[name] = value
  account.dirty = true
end

-- Writes what has changed. `now`: milliseconds, where the account has just been used, else nil.
local function accounts_write(now)
  for index, account in pairs(accounts) do
    if account.dirty then
      if account.added then redis.call('HINCRBY', KEYS[index], 'granted', integer(account.added)) end
      local changes, gone = {'credits', integer(account.credits), 'spent', integer(account.spent), 'calls', integer(account.calls)}, {}
      if account.bare then
        changes = {'version', '0'}
      elseif now then
        changes[7] = 'used'
        changes[8] = integer(now)
      end
      for name, value in pairs(account.changed) do
        if account.bare and value == '0' then
          gone[#gone + 1] = name
        else
          changes[#changes + 1] = name
          changes[#changes + 1] = value
        end
      end
      redis.call('HSET', KEYS[index], unpack(changes))
      if #gone > 0 then redis.call('HDEL', KEYS[index], unpack(gone)) end
    end
  end
end
