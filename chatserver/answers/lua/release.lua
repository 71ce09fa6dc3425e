-- KEYS  meta
-- ARGV  1 generation  2 owner  3 channel  4 ring
-- Returns 1; 0 when the claim does not hold.
if not held(ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 's', 'queued', 'o', '', 'l', '0')
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
