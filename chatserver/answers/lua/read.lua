-- KEYS  meta, entries
-- ARGV  1 first seq  2 limit  3 bytes after which the page ends
-- Returns {head, batches}: stream entries from the one on that holds the first seq.
local head = redis.call('HGET', KEYS[1], 'h')
if not head then return false end
local page, bytes, from = {}, 0, tonumber(ARGV[1]) + 1
while #page < tonumber(ARGV[2]) and bytes < tonumber(ARGV[3]) do
  local found = redis.call('XRANGE', KEYS[2], string.format('%d-0', from), '+', 'COUNT', 4)
  if #found == 0 then break end
  for _, batch in ipairs(found) do
    page[#page + 1] = batch
    bytes = bytes + #batch[2][4]
    from = tonumber(string.match(batch[1], '^%d+')) + 1
  end
end
return {head, page}
