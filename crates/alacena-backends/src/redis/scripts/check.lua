-- Reads markers together with what the server says of itself, in one step.
--
-- KEYS: the markers. ARGV: `info`, or nothing without the right to it.
-- Answers with what INFO says of replication (or nothing), then what each marker holds.
local info = ARGV[1] == 'info' and redis.call('INFO', 'replication')
return { info, KEYS[1] and redis.call('MGET', unpack(KEYS)) or {} }
