-- KEYS  meta
-- ARGV  1 owner  2 lease in seconds  3 clock, or ''  4 run of this Redis  5 another epoch
-- Returns the meta after the claim and the chain; nothing when the answer can't be had.
--
-- Under another run than the one that the last owner knew, entries that readers have seen may be lost, and nobody is left
-- to put them back: their places must not be trusted.
local is = redis.call('HMGET', KEYS[1], 's', 'l', 'h', 'r')
local now = clock(ARGV[3])
if is[1] ~= 'queued' and not (is[1] == 'running' and tonumber(is[2]) < now) then return false end
if is[3] ~= '0' and is[4] and is[4] ~= ARGV[4] then redis.call('HSET', KEYS[1], 'e', ARGV[5]) end
redis.call('HINCRBY', KEYS[1], 'g', 1)
redis.call('HSET', KEYS[1], 's', 'running', 'o', ARGV[1], 'l', number(now + tonumber(ARGV[2])), 'r', ARGV[4])
return {meta(), redis.call('HGET', KEYS[1], 'x')}
