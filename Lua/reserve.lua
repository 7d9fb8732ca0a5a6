-- reserve: sets credits of a key aside without a node: for a customer, or for a transfer that is on its way to another shard.
-- KEYS  record, account, reservations, schedule, operation, audit, touched
-- ARGV  key, id, kind, credits, span, text, fingerprint, retention, audit event, retained, most
-- REPLY {0 set aside, credits left, id, created, expires} {1 no such key} {2 refused, state} {3 the operation id was used for another
--       request} {4 insufficient, credits, held} {5 too many are open} {6 spending limit, what it has room for} {7 closed before}
-- EFFECT the credits are out of the account's, and the list has an entry for them; the operation remembers its answer for `retention` ms.
-- Of a reservation the audit stream has its entry; of a transfer the operation keeps it until the credits have arrived. Reservations of the
-- key whose time is over are given back. `touched` lists a key whose money moves.
--#include integer
--#include touch
--#include reservation
local done = redis.call('HMGET', KEYS[5], 'fingerprint', 'credits', 'id', 'created', 'expires')
if done[1] then
  if done[1] ~= ARGV[7] then return {3} end
  return {0, tonumber(done[2]), done[3], tonumber(done[4]), tonumber(done[5])}
end
local state = redis.call('HGET', KEYS[1], 'state')
local book = state and reservations_load(KEYS[2], KEYS[3])
if not book then return {1} end
local now, kind, credits = reservation_now(), ARGV[3], tonumber(ARGV[4])
if book.entries[ARGV[2]] then return {7} end
if state == 'revoked' or kind == 'r' and state ~= 'active' then return {2, state} end
if book.expires > 0 and now >= book.expires then return {2, 'expired'} end
reservations_expire(book, now)
local reply
if reservations_count(book, kind) >= tonumber(ARGV[11]) then
  reply = {5}
elseif credits > book.credits then
  reply = {4, book.credits, book.held}
elseif kind == 'r' and book.limit > 0 and book.spent + credits > book.limit then
  reply = {6, math.max(0, book.limit - book.spent)}
else
  local entry = {
    id = ARGV[2], state = 'o', kind = kind, credits = credits, created = now, expires = now + tonumber(ARGV[5]), text = ARGV[6],
  }
  reservation_open(book, entry)
  reply = {0, book.credits, entry.id, now, entry.expires}
  redis.call(
    'HSET', KEYS[5], 'fingerprint', ARGV[7], 'credits', integer(book.credits), 'id', entry.id, 'created', integer(now), 'expires',
    integer(entry.expires))
  if kind == 'r' then
    redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[10], '*', 'e', ARGV[9])
  else
    redis.call('HSET', KEYS[5], 'event', ARGV[9])
  end
  redis.call('PEXPIRE', KEYS[5], ARGV[8])
end
reservations_write(book, KEYS[4], ARGV[1], now, KEYS[7])
return reply
