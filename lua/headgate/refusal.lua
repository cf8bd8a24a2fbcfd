--- The answer of a guard that has words of its own, in place of nginx's.

local ngx = ngx

local _M = {}

--- Ends the running request, whose headers are set.
---@param status integer
---@param body string
function _M.say(status, body)
    ngx.status = status
    ngx.header["Content-Length"] = #body
    ngx.print(body)
    return ngx.exit(ngx.HTTP_OK)
end

return _M
