-- Takes an answer away for good. What stays for a day says nothing of it: a claim that no owner can have raised fences
-- whoever has told it and would put it back.
--
-- KEYS  meta, entries
-- ARGV  1 milliseconds that the fence stays
-- Returns 1; 0 when there was none.
local known = redis.call('HEXISTS', KEYS[1], 'q')
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 's', 'stopped', 'g', '9007199254740991', 'o', '', 'h', '0', 't', '0', 'x', '0', 'e', '')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return known
