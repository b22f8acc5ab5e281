-- Writes something that replicas have to be told of, so that a WAIT that follows on the same connection covers all that
-- was done before, by whomever.
--
-- KEYS: the pulse. ARGV: replication id, milliseconds to keep.
--
-- To prolong it needs no memory; only where it is missing it has to be made.
local refused = refusal(ARGV[1])
if refused then return refused end
if redis.call('PEXPIRE', KEYS[1], ARGV[2]) == 0 then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
end
return 1
