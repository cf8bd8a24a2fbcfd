--- What is known of peers, for people: GET /v1/peers and the metrics.

local cjson = require("cjson").new()
local checked_peers = require("headgate.health.checked_peers")
local health = require("headgate.health")
local loads = require("headgate.loads")
local peer_records = require("headgate.health.peer_records")
local peers = require("headgate.peers")
local store = require("headgate.store")

local concat = table.concat
local encode = cjson.encode
local ipairs = ipairs

local _M = {}

--- The ids of the backends with peers that are, or of late were, out. Sorted.
---@return string[]
function _M.troubled_ids()
    local ids = health.is_on() and peer_records.ids() or {}
    local there = {}
    for _, id in ipairs(ids) do
        there[id] = true
    end
    for _, id in ipairs(checked_peers.ids()) do
        if not there[id] then
            ids[#ids + 1] = id
        end
    end
    table.sort(ids)
    return ids
end

--- How many peers of a backend are ejected.
---@param id string
---@return integer
function _M.ejected(id)
    local backend = store.get(store.backend, id)
    if not backend or backend.broken then
        return 0
    end
    health.look(backend)
    return backend.health and backend.health.out or 0
end

---@class headgate.peer_health
---@field address string with port
---@field state string "well" or "ejected"
---@field record headgate.peer_record? nil: nothing is said of it
---@field in_flight integer? where it is counted: of all workers for least connections, else of this

local function record_of(known, name)
    local failing = known and known.failing[name]
    if failing then
        return { out = true, since = failing.since, cause = "check: " .. failing.cause }
    end
    return known and known.records[name]
end

-- What is known of a backend's peers, nil for no such backend; and whether so many are out that all
-- are used.
local function peers_of(id)
    local backend = store.get(store.backend, id)
    if not backend or backend.broken then
        return nil, false
    end
    health.look(backend)
    local known = backend.health
    local found = {}
    for index, name in ipairs(peers.names_of(backend)) do
        local record = record_of(known, name)
        local states = backend.states
        found[index] = {
            address = name,
            state = record and record.out and "ejected" or "well",
            record = record,
            in_flight = backend.load and loads.read(backend.load, index)
                or states and states.states[index].in_flight,
        }
    end
    return found, known ~= nil and known.out > 0 and not known.mask
end

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
    local found, panic = peers_of(id)
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
    for _, id in ipairs(_M.troubled_ids()) do
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
