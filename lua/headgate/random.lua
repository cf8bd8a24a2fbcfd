--- Random bytes of the machine.
-- math.random alone gives every start of nginx the same numbers.

local open = io.open

local _M = {}

--- Bytes from /dev/urandom, in hexadecimal.
---@param count integer
---@return string
function _M.hex(count)
    local file = assert(open("/dev/urandom", "rb"))
    local bytes = file:read(count)
    file:close()
    return (bytes:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

--- Seeds math.random of this worker.
function _M.seed()
    math.randomseed(tonumber(_M.hex(4), 16))
end

return _M
