-- KEYS  meta
-- ARGV  1 owner  2 lease in seconds  3 clock, or ''
-- Returns the meta after the claim and the chain; nothing when the answer can't be had.
local is = redis.call('HMGET', KEYS[1], 's', 'l')
local now = clock(ARGV[3])
if is[1] ~= 'queued' and not (is[1] == 'running' and tonumber(is[2]) < now) then return false end
redis.call('HINCRBY', KEYS[1], 'g', 1)
redis.call('HSET', KEYS[1], 's', 'running', 'o', ARGV[1], 'l', number(now + tonumber(ARGV[2])))
return {meta(), redis.call('HGET', KEYS[1], 'x')}
