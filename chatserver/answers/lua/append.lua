-- Appends one batch, extends the lease, seals when told to, and rings: all of it or nothing.
--
-- KEYS  meta, entries
-- ARGV  1 generation  2 owner  3 expected head  4 head after it  5 batch id  6 entries, joined with newlines
--       7 state to seal with, or ''  8 lease in seconds  9 clock, or ''  10 channel  11 ring
--       12 chain before the batch, '' when the writer does not know it  13 chain after it
--       14 milliseconds to keep a sealed answer, or 0
-- Returns {verdict, stop requested, head}:
--       ok        it is in the log; it also was when this is the second try of the same batch
--       fenced    the claim is no longer the answer's, or the answer is sealed
--       conflict  the writer miscounted
--       lost      the log is not what this claim has appended to: Redis was flushed or rolled back
local is = redis.call('HMGET', KEYS[1], 's', 'g', 'o', 'h', 't', 'x')
local state, generation, owner, head, stop, chain = is[1], is[2], is[3], is[4], is[5], is[6]

local holds = state == 'running' and generation == ARGV[1] and owner == ARGV[2]
if holds and head == ARGV[3] and (ARGV[12] == '' or chain == ARGV[12]) then
  redis.call('XADD', KEYS[2], ARGV[4] .. '-0', 'b', ARGV[5], 'e', ARGV[6])
  local lease = number(clock(ARGV[9]) + tonumber(ARGV[8]))
  if ARGV[7] == '' then
    redis.call('HSET', KEYS[1], 'h', ARGV[4], 'l', lease, 'x', ARGV[13])
  else
    redis.call('HSET', KEYS[1], 'h', ARGV[4], 'l', lease, 'x', ARGV[13], 's', ARGV[7], 'o', '')
    if ARGV[14] ~= '0' then
      for key = 1, 2 do redis.call('PEXPIRE', KEYS[key], ARGV[14]) end
    end
  end
  redis.call('PUBLISH', ARGV[10], ARGV[11])
  return {'ok', stop, ARGV[4]}
end

if not state then return {'lost', '0', '0'} end
local there = redis.call('XRANGE', KEYS[2], ARGV[4] .. '-0', ARGV[4] .. '-0')
if there[1] and there[1][2][2] == ARGV[5] then return {'ok', stop, ARGV[4]} end
if tonumber(generation) < tonumber(ARGV[1]) then return {'lost', stop, head} end
if not holds then return {'fenced', stop, head} end
if ARGV[12] ~= '' then return {'lost', stop, head} end
return {'conflict', stop, head}
