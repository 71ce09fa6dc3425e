-- KEYS  meta
-- ARGV  name, time, name, time, …
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for n = 1, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[n], ARGV[n + 1]) end
return 1
