--- How often services let requests pass, summed in the worker. Pure: shared memory is an argument.
-- Hosts are those of documents, never a client's words.

local format = string.format
local match = string.match
local pairs = pairs

local _M = {}

local held = {}

--- Counts one request.
---@param host string of the service
---@param outcome string allowed, denied, error or cached
function _M.count(host, outcome)
    local key = "auth " .. outcome .. " " .. host
    held[key] = (held[key] or 0) + 1
end

--- Adds what was counted since the last time to shared memory.
---@param add fun(key: string, amount: number)
function _M.flush(add)
    for key, amount in pairs(held) do
        add(key, amount)
        held[key] = nil
    end
end

--- The line of a key of shared memory, or nil where it is none of these.
---@param key string
---@param value number
---@return string? line
function _M.line(key, value)
    local outcome, host = match(key, "^auth (%a+) ([%w.:%[%]_$-]+)$")
    return outcome and format('headgate_external_auth_total{host="%s",outcome="%s"} %d',
        host, outcome, value)
end

return _M
