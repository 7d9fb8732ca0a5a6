-- fragment account: the accounts that a script touches, read once each, written once each at the end.
-- An account is a hash: credits, spent, granted, calls, used, version, expires (ms, 0 for never), limit (of spent, 0 for none), held (what of
-- spent is only set aside), refills (of a UTC day), and one field `m:<name>` for the state of each of its meters. A *bare* account belongs to
-- no record: it has the version 0 and the meters of open calls, each for as long as there are some, and nothing else. KEYS are given by their
-- index, and so are the `accounts` of a script. What a function uses from outside costs each script that has it: so it is handed over.

-- The account with the meters of `names`, nil for none; nil if there is none and it is not bare. Raises where it is no account, before anything is changed.
local function account_load(accounts, index, names, bare)
  local account, count = accounts[index], names and #names or 0
  if not account then
    local values = names and redis.call('HMGET', KEYS[index], 'version', 'credits', 'spent', 'calls', 'expires', 'limit', unpack(names))
      or redis.call('HMGET', KEYS[index], 'version', 'credits', 'spent', 'calls', 'expires', 'limit')
    if not values[1] and not bare then return nil end
    -- Reading a number costs as much as twenty steps of a script, and these two are mostly 0.
    local expires, limit = values[5] or '0', values[6] or '0'
    account = {
      version = values[1] or '0', credits = tonumber(values[2] or 0), spent = tonumber(values[3] or 0), calls = tonumber(values[4] or 0),
      expires = expires == '0' and 0 or tonumber(expires), limit = limit == '0' and 0 or tonumber(limit), meters = false, bare = bare,
      changed = false, dirty = false,
    }
    if not (account.credits and account.spent and account.calls and account.expires and account.limit) then error('a corrupt account') end
    if count > 0 then
      account.meters = {}
      for i = 1, count do account.meters[names[i]] = values[6 + i] or '' end
    end
    accounts[index] = account
  elseif count > 0 then
    account.meters = account.meters or {}
    local wanted, meters = {}, account.meters
    for i = 1, count do
      if not meters[names[i]] then wanted[#wanted + 1] = names[i] end
    end
    local values = #wanted > 0 and redis.call('HMGET', KEYS[index], unpack(wanted))
    for i = 1, #wanted do meters[wanted[i]] = values[i] or '' end
  end
  return account
end

-- Writes what has changed. `now`: milliseconds as text, where the accounts have just been used, else nil.
local function accounts_write(accounts, now)
  local format = string.format
  for index, account in pairs(accounts) do
    if account.dirty then
      local credits, spent, calls = format('%d', account.credits), format('%d', account.spent), format('%d', account.calls)
      if account.added then redis.call('HINCRBY', KEYS[index], 'granted', format('%d', account.added)) end
      if not account.changed and now then
        redis.call('HSET', KEYS[index], 'credits', credits, 'spent', spent, 'calls', calls, 'used', now)
      else
        local changes, gone = {'credits', credits, 'spent', spent, 'calls', calls}, {}
        if account.bare then
          changes = {'version', '0'}
        elseif now then
          changes[7], changes[8] = 'used', now
        end
        for name, value in pairs(account.changed or gone) do
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
end
