-- Puts an entry in the place of one without having held the lease: of the fill that was looked at, or of whatever is there.
--
-- KEYS: entry, lease, marker of the bucket, other name of the entry. ARGV: replication id, fill (8 bytes, or none),
-- milliseconds to keep, envelope, echo. Answers with the echo, and 1, or 0 where another fill is there, or none: whoever
-- believes a 1 that was the answer to something else takes a value for kept that is not.
--
-- The lease goes, so that what is being loaded now is not stored over it, and who waits asks again. The marker goes, so that
-- every node hears that its copy is of what was there. First of all the entry: refused for lack of memory, if at all, before
-- anything was removed.
local refused = refusal(ARGV[1])
if refused then return refused end
if ARGV[2] ~= '' and redis.call('GETRANGE', KEYS[1], 4, 11) ~= ARGV[2] then return {ARGV[5], 0} end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
return {ARGV[5], 1}
