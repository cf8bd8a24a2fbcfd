--- Consistent hashing on a ring (Karger et al. 1997), with bounded loads where they are asked for
-- (Mirrokni et al. 2016). Pure: the hash is an argument.
-- One value leads to one peer, in every worker and on every edge; a peer that goes moves only
-- what was its own.

local byte, sort = string.byte, table.sort
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min
local sub = string.sub

local _M = {}

-- Points of a peer for each unit of its weight, four for each digest, and of the whole ring.
local POINTS = 64
local POINTS_MIN = 4
local RING_MAX = 32768
-- A point and its peer are one number: a backend has at most 10,000 peers.
local PEERS_MAX = 16384

local function word(digest, at)
    local a, b, c, d = byte(digest, at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

---@class headgate.hash_ring
---@field points number[] ascending
---@field shares number[] of each peer in the sum of weights

--- Makes the ring for a set of peers.
---@param names string[]
---@param weights integer[]
---@param digest fun(text: string): string 16 bytes
---@return headgate.hash_ring
function _M.new(names, weights, digest)
    local total = 0
    for _, weight in ipairs(weights) do
        total = total + weight
    end
    local each = max(POINTS_MIN, min(POINTS, floor(RING_MAX / max(total, 1) / 4) * 4))
    local points, shares = {}, {}
    for i, name in ipairs(names) do
        shares[i] = weights[i] / total
        for round = 1, weights[i] * each / 4 do
            local bytes = digest(name .. "#" .. round)
            for at = 1, 13, 4 do
                points[#points + 1] = word(bytes, at) * PEERS_MAX + i - 1
            end
        end
    end
    sort(points)
    return { points = points, shares = shares }
end

local function first_at(points, value)
    local low, high = 1, #points
    if points[high] < value then
        return 1
    end
    while low < high do
        local middle = floor((low + high) / 2)
        if points[middle] < value then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

--- The peer of a value.
---@param ring headgate.hash_ring
---@param digest string at least 4 bytes, of the value
---@param tried table<integer, boolean>? peers that must not be taken
---@param load { bound: number, total: integer, states: headgate.peer_state[] }? how many times its
---  share of the requests in flight a peer may have
---@return integer? index nil when every peer was tried
function _M.next(ring, digest, tried, load)
    local points, shares = ring.points, ring.shares
    local count = #points
    if count == 0 then
        return nil
    end
    local at = first_at(points, word(sub(digest, 1, 4), 1) * PEERS_MAX)
    local beyond
    for _ = 1, count do
        local index = points[at] % PEERS_MAX + 1
        if not (tried and tried[index]) then
            if not load or load.states[index].in_flight
                < ceil(load.bound * shares[index] * (load.total + 1))
            then
                return index
            end
            beyond = beyond or index
        end
        at = at == count and 1 or at + 1
    end
    return beyond
end

return _M
