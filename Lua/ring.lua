-- fragment ring: an exact sliding window over the times of its last admissions.
-- A window of `cap` calls is a string of slots of 8 bytes (microseconds, a double). Its state packs four doubles: first and last
-- count admissions ever made, so last - first of them lie inside the window and slot i is i mod size; size is the cap that the slots
-- were laid out for; oldest is the time of admission `first`. `first` only moves forward: each admission is read once, O(1) amortised.
local SLOT = 8

local function ring_open(key, packed, cap, window, cost)
  local ring = {key = key, cap = cap, window = window, cost = cost, first = 0, last = 0, size = cap, oldest = 0}
  if packed then ring.first, ring.last, ring.size, ring.oldest = struct.unpack('<dddd', packed) end
  return ring
end

local function ring_pack(ring) return struct.pack('<dddd', ring.first, ring.last, ring.size, ring.oldest) end

local function ring_read(ring, slot, count)
  return redis.call('GETRANGE', ring.key, slot * SLOT, (slot + count) * SLOT - 1)
end

-- Forgets what lies before the window. An interval of exactly `window` still counts both its ends.
local function ring_advance(ring, now)
  local start = now - ring.window
  if ring.first == ring.last or ring.oldest >= start then return end
  ring.first = ring.first + 1
  local chunk = 8
  while ring.first < ring.last do
    local slot = ring.first % ring.size
    local count = math.min(chunk, ring.last - ring.first, ring.size - slot)
    local slots = ring_read(ring, slot, count)
    for i = 0, count - 1 do
      ring.oldest = struct.unpack('<d', slots, i * SLOT + 1)
      if ring.oldest >= start then return end
      ring.first = ring.first + 1
    end
    chunk = chunk * 2
  end
end

-- Admissions that still fit; below zero after the cap was lowered.
local function ring_free(ring) return ring.cap - (ring.last - ring.first) end

-- Microseconds until `cost` more admissions fit.
local function ring_wait(ring, now)
  local leaving = ring.cost - ring_free(ring)
  if leaving <= 0 or ring.cost > ring.cap then return ring.window end
  local slot = (ring.first + leaving - 1) % ring.size
  return struct.unpack('<d', ring_read(ring, slot, 1)) + ring.window - now + 1
end

-- Lays the slots out anew after the cap has changed. Called when what the window holds fits, so no admission is forgotten.
local function ring_resize(ring)
  local count, slot = ring.last - ring.first, ring.first % ring.size
  local head = math.min(count, ring.size - slot)
  local slots = head > 0 and ring_read(ring, slot, head) or ''
  if count > head then slots = slots .. ring_read(ring, 0, count - head) end
  redis.call('SET', ring.key, slots)
  ring.first, ring.last, ring.size = 0, count, ring.cap
end

-- Counts `cost` admissions of this moment; ring_write before it makes them last.
local function ring_take(ring, now)
  if ring.first == ring.last then ring.oldest = now end
  ring.last = ring.last + ring.cost
end

local function ring_write(ring, now)
  if ring.size ~= ring.cap then ring_resize(ring) end
  local slot, stamp = ring.last % ring.size, struct.pack('<d', now)
  local head = math.min(ring.cost, ring.size - slot)
  redis.call('SETRANGE', ring.key, slot * SLOT, string.rep(stamp, head))
  if ring.cost > head then redis.call('SETRANGE', ring.key, 0, string.rep(stamp, ring.cost - head)) end
end
