-- Makes an answer's meta again after Redis has lost it or gone back, if it still is as it was seen.
--
-- KEYS  meta, entries
-- ARGV  1 generation seen, '' when there was none  2 head seen  3 chain seen
--       4 question  5 epoch  6 user  7 generation  8 state  9 owner  10 lease in seconds  11 clock, or ''  12 stop
--       13 news channel  14 news
-- Returns 1; 0 when it has changed meanwhile; 2 when another owner has told it to its end, which then stands, and is
-- only given the epoch: readers may have seen the end of ours.
local is = redis.call('HMGET', KEYS[1], 'g', 'h', 'x', 's')
if (is[1] or '') ~= ARGV[1] or (is[1] and (is[2] ~= ARGV[2] or is[3] ~= ARGV[3])) then return 0 end
if not is[1] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'q', ARGV[4], 'u', ARGV[6], 'h', '0', 'a', '-1', 'x', '0', 't', ARGV[12])
end
if is[1] and sealed(is[4]) and ARGV[8] == 'queued' then
  redis.call('HSET', KEYS[1], 'e', ARGV[5])
  redis.call('PUBLISH', ARGV[13], ARGV[14])
  return 2
end
local lease = ARGV[8] == 'running' and number(clock(ARGV[11]) + tonumber(ARGV[10])) or '0'
redis.call('HSET', KEYS[1], 'e', ARGV[5], 'g', ARGV[7], 's', ARGV[8], 'o', ARGV[9], 'l', lease)
redis.call('PUBLISH', ARGV[13], ARGV[14])
return 1
