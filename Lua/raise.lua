-- raise: says in a shard which version of something it has to be judged by from now on.
-- KEYS  versions, feed
-- ARGV  name, version, channel, topic, origin, shard
-- REPLY {version}: the one that holds now, which may be a later one
-- EFFECT admissions that were judged by an older version are stale; the change feed is told, with the shard that has numbered the message:
-- a name does not say it, as it is raised in all of them.
--#include integer
local version = math.max(tonumber(ARGV[2]), tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0))
redis.call('HSET', KEYS[1], ARGV[1], integer(version))
local sequence = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', ARGV[3], ARGV[4] .. ' ' .. ARGV[1] .. ' ' .. integer(version) .. ' ' .. integer(sequence) .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
return {version}
