-- Begins every script that must do nothing at a server of another era than its caller means.
--
-- A server draws another replication id whenever it may have been rolled back: when it starts, and when it is promoted.
-- A replica has the id of its primary, and says by its role what it is. So role and id together say all that an era
-- says; the rest of it, the run id, cannot change under a connection.
--
-- A caller without the right to INFO passes an empty id: then nothing is compared, and its shard says so.
local function refusal(id)
  if id == '' then return nil end
  local info = redis.call('INFO', 'replication')
  if not string.find(info, 'role:master', 1, true) then
    return redis.error_reply('READONLY this server is a replica')
  end
  if not string.find(info, 'master_replid:' .. id, 1, true) then
    return redis.error_reply('OTHERERA this server is of another era')
  end
end

