--- What this worker knows of peers: requests in flight, and how long answers take.
-- Kept by backend and name of the peer, so that it outlives a change of the backend's document.

local hash = require("headgate.pickers.hash")

local _M = {}

---@class headgate.peer_states
---@field states headgate.peer_state[] in the order of the backend's peers
---@field held table what outlives the backend's document: `total` in flight, states by name

-- Backend id → what is held of it; by existing documents, never by what a client sends.
local all = {}

local function average(states)
    local sum, count = 0, 0
    for _, state in pairs(states) do
        sum, count = sum + state.cost, count + 1
    end
    return count == 0 and 0 or sum / count
end

--- The address of a peer with its port.
---@param backend table
---@param index integer
---@return string
function _M.name_of(backend, index)
    return backend.addresses[index] .. ":" .. backend.ports[index]
end

--- The names of all peers, in the order of the backend.
---@param backend table
---@return string[]
function _M.names_of(backend)
    local names = {}
    for i = 1, backend.count do
        names[i] = _M.name_of(backend, i)
    end
    return names
end

--- The ring on which a value finds its peer. Made once for each document of the backend.
---@param backend table
---@param digest fun(text: string): string 16 bytes
---@return headgate.hash_ring
function _M.ring_of(backend, digest)
    local ring = backend.ring
    if not ring then
        ring = hash.new(_M.names_of(backend), backend.weights, digest)
        backend.ring = ring
    end
    return ring
end

--- The states of a backend's peers. One that is new costs what the others do: at nothing, all
-- requests would go there before its first answer.
---@param backend table
---@param now number
---@return headgate.peer_states
function _M.of(backend, now)
    local known = backend.states
    if known then
        return known
    end
    local before = all[backend.id] or { total = 0, by_name = {} }
    local cost = average(before.by_name)
    local states, by_name = {}, {}
    for i, name in ipairs(_M.names_of(backend)) do
        local state = by_name[name] or before.by_name[name]
            or { in_flight = 0, cost = cost, at = now }
        states[i], by_name[name] = state, state
    end
    before.by_name = by_name
    all[backend.id] = before
    known = { states = states, held = before }
    backend.states = known
    return known
end

--- Lets a peer that comes back cost what the others do.
---@param backend table
---@param index integer
---@param now number
function _M.renew(backend, index, now)
    local known = backend.states
    if known then
        local others = {}
        for i, state in ipairs(known.states) do
            others[i] = i ~= index and state or nil
        end
        known.states[index].cost, known.states[index].at = average(others), now
    end
end

--- Forgets the backends that are gone.
---@param cache table<string, table> decoded backends by id
function _M.sweep(cache)
    for id in pairs(all) do
        if not cache[id] then
            all[id] = nil
        end
    end
end

return _M
