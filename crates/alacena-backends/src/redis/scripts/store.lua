-- Stores an entry, if the lease is still the attempt's, and gives the lease back.
--
-- KEYS: entry, lease. ARGV: replication id, attempt (16 bytes), milliseconds to keep, envelope.
-- Answers with 1, or 0 where the lease was lost.
--
-- The lease alone is not enough: a failover that lost its removal brings it back. Nor is the era: within one, a lease
-- runs out and is another's.
local refused = refusal(ARGV[1])
if refused then return refused end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
return 1
