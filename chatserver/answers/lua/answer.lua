-- What every script of the answer log begins with. KEYS[1] is the answer's meta.
local META = {'q', 'e', 's', 'g', 'o', 'h', 'a', 't', 'l'}

-- The same clock for all nodes: Redis's own, unless a test gives another one. Seconds since the Unix epoch.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function number(value)
  return string.format('%.17g', value)
end

local function meta()
  return redis.call('HMGET', KEYS[1], unpack(META))
end

-- Whether the claim of this generation and owner still holds.
local function held(generation, owner)
  local is = redis.call('HMGET', KEYS[1], 's', 'g', 'o')
  return is[1] == 'running' and is[2] == generation and is[3] == owner
end

local function sealed(state)
  return state ~= 'queued' and state ~= 'running'
end
