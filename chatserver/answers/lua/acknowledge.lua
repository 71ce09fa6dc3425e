-- KEYS  meta
-- ARGV  1 user  2 seq
-- Returns the meta after it; nothing when the user has no such answer.
local is = redis.call('HMGET', KEYS[1], 'u', 'h', 'a')
if is[1] ~= ARGV[1] then return false end
local seq = math.min(tonumber(ARGV[2]), tonumber(is[2]) - 1)
if seq > tonumber(is[3]) then redis.call('HSET', KEYS[1], 'a', string.format('%d', seq)) end
return meta()
