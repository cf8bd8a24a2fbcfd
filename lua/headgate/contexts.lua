--- What is known of a request, kept over its error page. nginx forgets what modules hold of a
-- request when it goes to a named location, ngx.ctx too, and there it goes with each failure of a
-- backend.
-- Kept by the address of the request in memory, which stays the same, from the balancer or from a
-- refusal to the log phase, which nginx never leaves out.

local ffi = require("ffi")
local get_request = require("resty.core.base").get_request

local cast, tonumber = ffi.cast, tonumber
local ngx = ngx

local held = {}

local _M = {}

local function key()
    return tonumber(cast("uintptr_t", cast("void *", get_request())))
end

--- Keeps it. Call it for requests of clients alone: others have no log phase.
---@param ctx table
function _M.keep(ctx)
    held[key()] = ctx
end

--- Gives back what was kept, and makes it ngx.ctx again: for the location of an error page.
---@return table? ctx
function _M.recall()
    local ctx = held[key()]
    if ctx then
        ngx.ctx = ctx
    end
    return ctx
end

--- Gives back what was kept, and forgets it.
---@return table? ctx
function _M.take()
    local at = key()
    local ctx = held[at]
    if ctx then
        held[at] = nil
    end
    return ctx
end

return _M
