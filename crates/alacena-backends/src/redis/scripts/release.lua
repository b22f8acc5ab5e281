-- Gives a lease back without an entry.
--
-- KEYS: lease. ARGV: replication id, attempt (16 bytes), for how many milliseconds everybody loads alone (0: not at all).
-- Answers with 1, or 0 where the lease was lost.
--
-- Who waits is woken by either command. Where there is no memory for the mark there is none: then they ask in turn.
local refused = refusal(ARGV[1])
if refused then return refused end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
local mark = string.sub(ARGV[2], 1, 8) .. 'alone'
local marked = ARGV[3] ~= '0' and redis.pcall('SET', KEYS[1], mark, 'PX', ARGV[3])
if not marked or marked.err then redis.call('UNLINK', KEYS[1]) end
return 1
