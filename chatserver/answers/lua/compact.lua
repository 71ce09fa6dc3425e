-- Puts one value in the place of an ended answer's batches.
--
-- KEYS  meta, entries
-- ARGV  1 head  2 chain  3 id of the last batch  4 all entries, joined with newlines and compressed
-- Returns 1; 0 when the log is not what was compressed.
local is = redis.call('HMGET', KEYS[1], 's', 'h', 'x')
if not is[1] or not sealed(is[1]) or is[2] ~= ARGV[1] or is[3] ~= ARGV[2] then return 0 end
local expires = redis.call('PTTL', KEYS[2])
redis.call('DEL', KEYS[2])
redis.call('XADD', KEYS[2], ARGV[1] .. '-0', 'b', ARGV[3], 'z', ARGV[4])
if expires > 0 then redis.call('PEXPIRE', KEYS[2], expires) end
return 1
