-- KEYS  meta
-- ARGV  1 generation  2 owner  3 lease in seconds  4 clock, or ''  5 run of this Redis, under which all is there
-- Returns whether a stop was requested, as '0' or '1'; nothing when the claim does not hold.
if not held(ARGV[1], ARGV[2]) then return false end
redis.call('HSET', KEYS[1], 'l', number(clock(ARGV[4]) + tonumber(ARGV[3])), 'r', ARGV[5])
return redis.call('HGET', KEYS[1], 't')
