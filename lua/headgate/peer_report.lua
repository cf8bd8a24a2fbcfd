--- What GET /v1/peers says, as JSON.

local cjson = require("cjson").new()
local health = require("headgate.health")

local concat = table.concat
local encode = cjson.encode
local ipairs = ipairs

local _M = {}

local function peer(found)
    local record = found.record or {}
    return encode({
        address = found.address,
        state = found.state,
        cause = record.cause,
        since = record.since,
        -- `until` is no name in Lua.
        ["until"] = record.out and record.until_s or nil,
        ejections = record.times,
        failures = record.out and record.failures or nil,
        in_flight = found.in_flight,
    })
end

local function backend(id, wanted)
    local found, panic = health.peers(id)
    if not found then
        return nil
    end
    local texts = {}
    for _, each in ipairs(found) do
        if wanted(each) then
            texts[#texts + 1] = peer(each)
        end
    end
    return '{"backend":' .. encode(id) .. ',"count":' .. #found .. ',"panic":' .. encode(panic)
        .. ',"peers":[' .. concat(texts, ",") .. "]}"
end

local function has_record(found)
    return found.record ~= nil
end

local function any()
    return true
end

--- The backends with peers that are, or of late were, ejected; of each these peers alone.
---@return string json
function _M.troubled()
    local texts = {}
    for _, id in ipairs(health.troubled()) do
        texts[#texts + 1] = backend(id, has_record)
    end
    return '{"backends":[' .. concat(texts, ",") .. "]}"
end

--- One backend with all its peers.
---@param id string
---@return string? json nil: no such backend
function _M.backend(id)
    return backend(id, any)
end

return _M
