-- KEYS  meta, entries
-- ARGV  1 question  2 epoch  3 user  4 milliseconds after which a question that came no further is forgotten, or 0
-- Returns 1 when it was made, 0 when it was there.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'q', ARGV[1], 'e', ARGV[2], 'u', ARGV[3], 's', 'queued', 'g', '0', 'o', '', 'h', '0',
  'a', '-1', 't', '0', 'l', '0', 'x', '0')
if ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
