-- fragment ring: an exact sliding window over the times of its last admissions.
-- A window of `cap` calls is a string of `cap` slots of 8 bytes (microseconds, a double). Its state packs three doubles:
-- first and last count admissions ever made, so last - first of them lie inside the window and slot i is i mod size; size is
-- the cap that the slots were laid out for. `first` only ever moves forward, so each admission is read once: O(1) amortised.
local SLOT = 8

local function ring_open(packed, cap)
  if not packed then return {first = 0, last = 0, size = cap} end
  local first, last, size = struct.unpack('<ddd', packed)
  return {first = first, last = last, size = size}
end

local function ring_pack(ring) return struct.pack('<ddd', ring.first, ring.last, ring.size) end

-- Forgets what lies before the window. An interval of exactly `window` still counts both its ends.
local function ring_advance(key, ring, now, window)
  local chunk = 8
  while ring.first < ring.last do
    local slot = ring.first % ring.size
    local count = math.min(chunk, ring.last - ring.first, ring.size - slot)
    local bytes = redis.call('GETRANGE', key, slot * SLOT, (slot + count) * SLOT - 1)
    for i = 0, count - 1 do
      if struct.unpack('<d', bytes, i * SLOT + 1) + window >= now then
        ring.oldest = struct.unpack('<d', bytes, i * SLOT + 1)
        return
      end
      ring.first = ring.first + 1
    end
    chunk = chunk * 2
  end
end

-- Lays the slots out anew after the cap has changed; the newest admissions that fit are kept.
local function ring_resize(key, ring, cap)
  local kept = math.min(ring.last - ring.first, cap)
  local slots = {}
  for i = ring.last - kept, ring.last - 1 do
    local at = (i % ring.size) * SLOT
    slots[#slots + 1] = redis.call('GETRANGE', key, at, at + SLOT - 1)
  end
  redis.call('DEL', key)
  if kept > 0 then redis.call('SET', key, table.concat(slots)) end
  ring.first, ring.last, ring.size = 0, kept, cap
end

-- Microseconds until `cost` more admissions fit.
local function ring_wait(key, ring, now, window, cap, cost)
  local leaving = ring.last - ring.first + cost - cap
  if leaving <= 0 or cost > cap then return window end
  local at = ((ring.first + leaving - 1) % ring.size) * SLOT
  return struct.unpack('<d', redis.call('GETRANGE', key, at, at + SLOT - 1)) + window - now + 1
end

local function ring_take(key, ring, now, cost)
  local stamp = struct.pack('<d', now)
  for _ = 1, cost do
    redis.call('SETRANGE', key, (ring.last % ring.size) * SLOT, stamp)
    ring.last = ring.last + 1
  end
end
