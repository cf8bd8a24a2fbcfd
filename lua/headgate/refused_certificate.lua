--- Answers where nginx itself refused a client's certificate, or missed it, before any Lua ran.
-- The guard of the route says the same, and knows the page to send people to.

local request = require("headgate.request")

local var = ngx.var

local _M = {}

local function verdict()
    local route, status, reason = request.decide(var.host, var.uri, var.request_uri)
    -- A route without the guard: it is switched off, and the reload that says so to nginx is due.
    return route and 400 or status, reason
end

--- The content of the location for the errors 495 and 496.
function _M.answer()
    local ok, status, reason = pcall(verdict)
    if not ok then
        return ngx.exit(400)
    end
    if status >= 300 and status < 400 then
        return ngx.redirect(reason, status)
    end
    return ngx.exit(status)
end

return _M
