-- fragment ring: an exact sliding window over the times of its last admissions.
-- The window of a meter of `cap` calls is a string of slots of 8 bytes (microseconds, a double) that expires with it. Its state, in the
-- account, packs six doubles: first and last count admissions ever made, so last - first of them lie inside the window and slot i is
-- i mod size; size is the cap that the slots were laid out for; oldest and newest are the times of admissions `first` and `last` - 1;
-- expiry is when the string was last given its time to live. `first` only moves forward; how far is searched and not walked.
-- A string that was lost opens nothing: its admissions count as made at `newest`. Times from the future (the clock has stepped back) are
-- clamped to now and written back, so a step delays nobody for longer than a window.
local SLOT = 8

local function ring_open(key, packed, cap, window)
  local ring = {key = key, cap = cap, window = window, first = 0, last = 0, size = cap, oldest = 0, newest = 0, expiry = 0, added = 0}
  if packed ~= '' then
    ring.first, ring.last, ring.size, ring.oldest, ring.newest, ring.expiry = struct.unpack('<dddddd', packed)
  end
  return ring
end

local function ring_pack(ring)
  return struct.pack('<dddddd', ring.first, ring.last, ring.size, ring.oldest, ring.newest, ring.expiry)
end

local function ring_time(ring, place)
  local at = (place % ring.size) * SLOT
  local bytes = redis.call('GETRANGE', ring.key, at, at + SLOT - 1)
  local time = #bytes == SLOT and struct.unpack('<d', bytes) or 0
  return time > 0 and time or ring.newest
end

-- The first admission from `first` on, below `last`, that was made at `moment` or later; times never fall.
local function ring_search(ring, first, last, moment)
  while first < last do
    local middle = math.floor((first + last) / 2)
    if ring_time(ring, middle) < moment then first = middle + 1 else last = middle end
  end
  return first
end

-- Lays the slots out anew: after the cap has changed, or with every time from the future brought down to `now`.
local function ring_layout(ring, size, now)
  local count, slot = ring.last - ring.first, ring.first % ring.size
  local head = math.min(count, ring.size - slot)
  local slots = head > 0 and redis.call('GETRANGE', ring.key, slot * SLOT, (slot + head) * SLOT - 1) or ''
  if count > head then slots = slots .. redis.call('GETRANGE', ring.key, 0, (count - head) * SLOT - 1) end
  if #slots < count * SLOT then
    slots = string.rep(struct.pack('<d', math.min(ring.newest, now)), count)
  elseif ring.newest > now then
    local past = ring_search(ring, ring.first, ring.last, now) - ring.first
    slots = string.sub(slots, 1, past * SLOT) .. string.rep(struct.pack('<d', now), count - past)
  end
  redis.call('SET', ring.key, slots, 'PX', math.ceil(ring.window / 500))
  ring.first, ring.last, ring.size, ring.expiry = 0, count, size, now
  ring.oldest, ring.newest = math.min(ring.oldest, now), math.min(ring.newest, now)
end

-- Forgets what lies before the window. An interval of exactly `window` still counts both its ends. True if the state has to be kept.
local function ring_advance(ring, now)
  if ring.first < ring.last and ring.newest > now then
    ring_layout(ring, ring.size, now)
    return true
  end
  local start = now - ring.window
  if ring.first == ring.last or ring.oldest >= start then return false end
  local step = 1
  local first = ring.first + 1
  while first + step < ring.last and ring_time(ring, first + step) < start do
    first = first + step
    step = step * 2
  end
  ring.first = ring_search(ring, first, math.min(first + step, ring.last), start)
  if ring.first < ring.last then ring.oldest = ring_time(ring, ring.first) end
  return false
end

-- Admissions that still fit; below zero after the cap was lowered.
local function ring_free(ring) return ring.cap - (ring.last - ring.first) end

-- Microseconds until `cost` more admissions fit.
local function ring_wait(ring, cost, now)
  local leaving = cost - ring_free(ring)
  if leaving <= 0 or cost > ring.cap then return ring.window end
  local place = ring.first + leaving - 1
  if place >= ring.last - ring.added then return ring.window end
  return math.max(1, ring_time(ring, place) + ring.window - now + 1)
end

-- Counts `cost` admissions of this moment; ring_write makes those of all calls of the script last.
local function ring_take(ring, cost, now)
  if ring.first == ring.last then ring.oldest = now end
  ring.last = ring.last + cost
  ring.newest = now
  ring.added = ring.added + cost
end

local function ring_write(ring, now)
  local added = ring.added
  if ring.size ~= ring.cap then
    -- What the window holds fits into the new cap, as something was admitted.
    ring.last = ring.last - added
    ring_layout(ring, ring.cap, now)
    ring.last = ring.last + added
  end
  local slot, stamp = (ring.last - added) % ring.size, struct.pack('<d', now)
  local head = math.min(added, ring.size - slot)
  redis.call('SETRANGE', ring.key, slot * SLOT, string.rep(stamp, head))
  if added > head then redis.call('SETRANGE', ring.key, 0, string.rep(stamp, added - head)) end
  if now - ring.expiry >= ring.window / 2 then
    redis.call('PEXPIRE', ring.key, math.ceil(ring.window / 500))
    ring.expiry = now
  end
end
