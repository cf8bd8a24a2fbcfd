--- Which pages may read the answer of a request, and what a browser gets that only asks so.

local cors = require("headgate.filters.cors")

local ngx = ngx
local var = ngx.var

local _M = {}

--- Takes the rules of the route.
---@param ctx table of the request
---@param rules headgate.cors
---@return integer? status 204 for a preflight
---@return string? reason
function _M.share(ctx, rules)
    ctx.cors = rules
    local origin = var.http_origin
    if not origin or not cors.allows(rules, origin) then
        return
    end
    ctx.origin = origin
    if var.request_method == "OPTIONS" then
        local header = ngx.header
        cors.mark(rules, origin, header)
        cors.permit(rules, header)
        if not rules.any then
            cors.vary(header)
        end
        return 204, "a preflight"
    end
end

--- Lets the page read an answer of this machine, after `share`.
---@param ctx table of the request
function _M.mark(ctx)
    cors.mark(ctx.cors, ctx.origin, ngx.header)
end

return _M
