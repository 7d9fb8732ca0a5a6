-- post_mail: keeps what a server says to one session outside of its requests, until one of the session's streams takes it.
-- KEYS  mail
-- ARGV  most, lifetime, message, channel, notice
-- REPLY {0}
-- EFFECT the message is added to the session's stream, which keeps the last `most` for lifetime milliseconds after the last one; every node is
-- told by the notice.
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'm', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {0}
