-- end_reservation: ends what `reserve` has set aside, once, and gives back whatever of the account's reservations has had its time.
-- KEYS  account, reservations, schedule, operation, audit, touched
-- ARGV  key, id, verb, fingerprint, retention, audit event, retained, balance
-- REPLY {0 done, credits left, amount, created, expires, text} {1 there is none} {2 ended before, state}
--       {3 the operation id was used for another request}
-- EFFECT `commit` charges a reservation and `release` gives it back: with an audit entry, once for each operation, which is remembered for
-- `retention` ms. `delivered` ends a transfer whose credits have arrived, and writes the audit entry that its operation keeps, with the
-- balance of the receiver; `returned` gives the credits back and forgets the operation, so that it may be tried again. `expire` does no more
-- than time has done. `touched` lists a key whose money moves.
--#include integer
--#include touch
--#include reservation
local verb, isAsked = ARGV[3], ARGV[3] == 'commit' or ARGV[3] == 'release'
if isAsked then
  local done = redis.call('HMGET', KEYS[4], 'fingerprint', 'credits', 'amount', 'created', 'expires', 'text')
  if done[1] then
    if done[1] ~= ARGV[4] then return {3} end
    return {0, tonumber(done[2]), tonumber(done[3]), tonumber(done[4]), tonumber(done[5]), done[6]}
  end
end
local book = reservations_load(KEYS[1], KEYS[2])
if not book then return {1} end
local now, reply = reservation_now(), nil
reservations_expire(book, now)
local entry, kind = book.entries[ARGV[2]], isAsked and 'r' or 't'
if verb == 'expire' then
  reply = {0, book.credits, 0, 0, 0, ''}
elseif not entry or entry.kind ~= kind then
  reply = {1}
elseif entry.state ~= 'o' then
  reply = {2, entry.state}
else
  local text = entry.text
  reservation_end(book, entry, (verb == 'commit' or verb == 'delivered') and 'c' or 'b')
  reply = {0, book.credits, entry.credits, entry.created, entry.expires, text}
  if isAsked then
    redis.call(
      'HSET', KEYS[4], 'fingerprint', ARGV[4], 'credits', integer(book.credits), 'amount', integer(entry.credits), 'created',
      integer(entry.created), 'expires', integer(entry.expires), 'text', text)
    redis.call('PEXPIRE', KEYS[4], ARGV[5])
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*', 'e', ARGV[6])
  elseif verb == 'delivered' then
    local kept = redis.call('HMGET', KEYS[4], 'event', 'credits')
    if kept[1] then
      local event = kept[1] .. '\031.fromBalance=' .. kept[2] .. '\031.toBalance=' .. ARGV[8]
      redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*', 'e', event)
      redis.call('HDEL', KEYS[4], 'event')
    end
  elseif redis.call('HGET', KEYS[4], 'id') == entry.id then
    redis.call('DEL', KEYS[4])
  end
end
reservations_write(book, KEYS[3], ARGV[1], now, KEYS[6])
return reply
