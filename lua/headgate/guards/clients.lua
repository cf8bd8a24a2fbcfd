--- What is kept of clients in shared memory: small numbers under a key of their address, which go
-- by themselves. Where there is no room, the oldest go first, and that is counted.

local sub = string.sub

local _M = {
    -- How many numbers of this worker made others go before their time, since the last flush.
    evictions = 0,
}

--- What an address counts as: an IPv6 client is its /64, for each of its users has all of it.
---@param client string? bytes, as headgate.networks.client gives them
---@return string
function _M.key(client)
    if not client then
        return "none"
    end
    return #client == 16 and sub(client, 1, 8) or client
end

--- Keeps a number for a while.
---@param dict table shared dict
---@param key string
---@param value number
---@param ttl_s number
---@return boolean ok false: there is no room at all
function _M.keep(dict, key, value, ttl_s)
    local ok, _, forcible = dict:set(key, value, ttl_s)
    if forcible or not ok then
        _M.evictions = _M.evictions + 1
    end
    return ok
end

return _M
