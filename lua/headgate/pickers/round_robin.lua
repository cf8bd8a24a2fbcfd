--- Smooth weighted round robin (as nginx's own). Pure: the start is an argument.
-- State is per worker: workers start at different places, so that they do not march in step.

local _M = {}

---@class headgate.round_robin
---@field count integer
---@field at integer
---@field equal boolean
---@field weights integer[]
---@field current integer[]
---@field total integer

--- Makes the state for a set of peers.
---@param weights integer[]
---@param start integer any whole number ≥ 0
---@return headgate.round_robin
function _M.new(weights, start)
    local count = #weights
    local state = {
        count = count, at = count > 0 and start % count or 0,
        equal = true, weights = weights, current = {}, total = 0,
    }
    for i = 1, count do
        state.equal = state.equal and weights[i] == weights[1]
        state.total = state.total + weights[i]
        state.current[i] = 0
    end
    if not state.equal then
        for _ = 1, start % state.total do
            _M.next(state)
        end
    end
    return state
end

local function next_weighted(state, tried)
    local weights, current = state.weights, state.current
    local best, total = nil, 0
    for i = 1, state.count do
        if not (tried and tried[i]) then
            local value = current[i] + weights[i]
            current[i] = value
            total = total + weights[i]
            if not best or value > current[best] then
                best = i
            end
        end
    end
    if best then
        current[best] = current[best] - total
    end
    return best
end

--- The next peer.
---@param state headgate.round_robin
---@param tried table<integer, boolean>? peers that must not be taken
---@return integer? index nil when every peer was tried
function _M.next(state, tried)
    if not state.equal then
        return next_weighted(state, tried)
    end
    local count, at = state.count, state.at
    for _ = 1, count do
        at = at + 1
        if at > count then
            at = 1
        end
        if not (tried and tried[at]) then
            state.at = at
            return at
        end
    end
    return nil
end

return _M
