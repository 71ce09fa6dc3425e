-- KEYS  meta
-- ARGV  1 user  2 channel  3 ring
-- Returns the meta after it; nothing when the user has no such answer.
if redis.call('HGET', KEYS[1], 'u') ~= ARGV[1] then return false end
if not sealed(redis.call('HGET', KEYS[1], 's')) then
  redis.call('HSET', KEYS[1], 't', '1')
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return meta()
