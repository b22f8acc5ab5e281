-- Begins to load an entry: answers with it, or gives the lease, or says for how long somebody else has it.
--
-- KEYS: entry, lease. ARGV: replication id, attempt (16 bytes), milliseconds of the lease, fill that was seen (8 bytes,
-- or none). An envelope says its fill in bytes 4 to 11, whatever its version.
-- Answers with a bulk string (the entry), the status LEAD or ALONE, or an integer (milliseconds to wait).
--
-- The connection tracks what is read here. So whoever is told to wait hears of what happens to either key from this very
-- moment on: nothing falls between an answer and a subscription.
local refused = refusal(ARGV[1])
if refused then return refused end
local seen = ARGV[4]
if seen == '' or redis.call('GETRANGE', KEYS[1], 4, 11) ~= seen then
  local entry = redis.call('GET', KEYS[1])
  -- What is too short to say its fill is no entry, and nobody could say that he has seen it.
  if entry and #entry > 11 then return entry end
end
local lease = redis.call('GET', KEYS[2])
-- What was written in another era counts for nothing: whoever held that lease cannot store any more.
if lease and string.sub(lease, 1, 8) == string.sub(ARGV[2], 1, 8) then
  if string.sub(lease, 9) == 'alone' then return redis.status_reply('ALONE') end
  local left = redis.call('PTTL', KEYS[2])
  if left > 0 then return left end
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return redis.status_reply('LEAD')
