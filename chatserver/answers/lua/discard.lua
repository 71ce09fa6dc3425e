-- Makes an end of an answer whose entries are gone while its meta is not: it begins anew, or it is no more.
--
-- KEYS  meta, entries
-- ARGV  1 head that was seen  2 new epoch  3 news channel  4 news
-- Returns 1 when it waits for an owner.
local is = redis.call('HMGET', KEYS[1], 's', 'h')
if is[2] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
if sealed(is[1]) then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HINCRBY', KEYS[1], 'g', 1)
redis.call('HSET', KEYS[1], 'e', ARGV[2], 's', 'queued', 'o', '', 'h', '0', 'a', '-1', 'l', '0', 'x', '0')
return 1
