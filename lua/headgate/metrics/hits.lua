--- When each route got its last request, to the second.
-- Noted in the worker and written once a second, for the routes that had requests since.

local limits = require("headgate.limits")

local floor = math.floor
local match = string.match
local ngx = ngx
local dict = ngx.shared.headgate_metrics

local _M = {}

-- Decoded routes that had requests since the last flush.
local noted, count = {}, 0

--- Notes a request.
---@param route table decoded
function _M.note(route)
    if not route.hit then
        route.hit = true
        count = count + 1
        noted[count] = route
    end
end

--- Writes what was noted.
function _M.flush()
    local now = floor(ngx.now())
    for i = 1, count do
        local route = noted[i]
        route.hit, noted[i] = nil, nil
        if not dict:safe_set("hit " .. route.id, now, limits.hit_ttl_s) then
            dict:incr("dropped", 1)
        end
    end
    count = 0
end

--- When a route got its last request.
---@param id string
---@return integer? seconds since 1970; nil: none since shared memory was made
function _M.last(id)
    return dict:get("hit " .. id)
end

--- Which route a key of shared memory is about.
---@param key string
---@return string? id
function _M.read_key(key)
    return match(key, "^hit (.+)$")
end

return _M
