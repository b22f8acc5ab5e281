-- Holds a lease for longer.
--
-- KEYS: lease. ARGV: replication id, attempt (16 bytes), milliseconds from now.
-- Answers with 1, or 0 where the lease was lost.
local refused = refusal(ARGV[1])
if refused then return refused end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
