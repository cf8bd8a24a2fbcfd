--- Least connections: the peer with the fewest requests in flight for its weight. Pure: counts and
-- the start are arguments.

local _M = {}

-- Of more peers only so many are looked at, each time others: a look costs shared memory's lock,
-- and the least of many differs little from the least of all.
local LOOKS_MAX = 32

--- The next peer.
---@param weights integer[]
---@param barred table<integer, boolean>? peers that must not be taken
---@param start integer where the look begins, from 1; of equals the first is taken
---@param read fun(of: any, index: integer): integer requests in flight
---@param of any handed to `read`
---@return integer? index nil when every peer is barred
function _M.next(weights, barred, start, read, of)
    local count = #weights
    local best, least
    local looks = 0
    local at = start
    for _ = 1, count do
        if not (barred and barred[at]) then
            local load = (read(of, at) + 1) / weights[at]
            if not least or load < least then
                best, least = at, load
            end
            looks = looks + 1
            if looks == LOOKS_MAX then
                break
            end
        end
        at = at == count and 1 or at + 1
    end
    return best
end

return _M
