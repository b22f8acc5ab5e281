-- Reads markers together with what the server says of itself, in one step.
--
-- KEYS: the markers. ARGV: echo, then `info`, or nothing without the right to it.
-- Answers with the echo, what INFO says of replication (or nothing), and what each marker holds.
local info = ARGV[2] == 'info' and redis.call('INFO', 'replication')
return { ARGV[1], info, KEYS[1] and redis.call('MGET', unpack(KEYS)) or {} }
