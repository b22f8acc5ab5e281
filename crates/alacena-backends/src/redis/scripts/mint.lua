-- Reads markers, and mints those that are missing or of another era.
--
-- KEYS: the markers. ARGV: replication id, era (8 bytes), milliseconds to keep, echo, then a nonce (16 bytes) for each
-- marker. Answers with the echo and what each marker holds from now on.
local refused = refusal(ARGV[1])
if refused then return refused end
local era, keep = ARGV[2], tonumber(ARGV[3])
local held, short = {}, {}
for i, key in ipairs(KEYS) do
  local nonce = redis.call('GET', key)
  if nonce and #nonce == 16 and string.sub(nonce, 1, 8) == era then
    held[i] = nonce
    if redis.call('PTTL', key) < keep then short[#short + 1] = key end
  else
    -- Refused for lack of memory, if at all, before anything was written: a script that has begun to write may go on.
    redis.call('SET', key, ARGV[4 + i], 'PX', 2 * keep)
    held[i] = ARGV[4 + i]
  end
end
-- To prolong a marker tells every node of it, as if it had changed. So it is done late, and then for twice the time: once
-- per marker and `keep`, however often it is asked for. And after all else: it needs no memory, but it is a write.
for _, key in ipairs(short) do redis.call('PEXPIRE', key, 2 * keep) end
return { ARGV[4], held }
