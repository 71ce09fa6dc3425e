-- Decides, once for each ask id, which answer is its own, and enters that into the user's chats.
--
-- KEYS  1 ask  2 chat  3 chats  4 titles
-- ARGV  1 answer  2 chat  3 time of the question  4 its text  5 milliseconds to keep, or 0
--       6 answers that a chat keeps
-- Returns the answer of the ask id, and then those that the chat no longer has.
local known = redis.call('GET', KEYS[1])
if known then return {known} end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], 'GT', ARGV[3], ARGV[2])
local title = redis.call('HGET', KEYS[4], ARGV[2])
local separator = title and string.find(title, ' ', 1, true)
if not separator or tonumber(string.sub(title, 1, separator - 1)) > tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[4], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
end
if ARGV[5] ~= '0' then
  for key = 1, 4 do redis.call('PEXPIRE', KEYS[key], ARGV[5]) end
end
local dropped = {ARGV[1]}
while redis.call('LLEN', KEYS[2]) > tonumber(ARGV[6]) do
  dropped[#dropped + 1] = redis.call('LPOP', KEYS[2])
end
return dropped
