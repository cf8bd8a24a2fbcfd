--- Fields of the access log about the route: nginx writes it after the log phase of Lua.

local match = string.match
local ngx = ngx
local var = ngx.var

local _M = {}

-- Label of a series → its parts; as many as there are routes.
local parts_of = setmetatable({}, { __mode = "v" })

local function parts(label)
    local known = parts_of[label]
    if not known then
        local first, second, third = match(label, "^([^/]*)/([^/]*)/([^/]*)$")
        known = { first or "", second or "", third or "" }
        parts_of[label] = known
    end
    return known
end

--- Sets them.
---@param label string "<namespace>/<ingress>/<service>"
---@param backend table? that was asked: it may be another than the route's first
function _M.set(label, backend)
    local names = parts(label)
    var.hg_namespace, var.hg_ingress = names[1], names[2]
    if backend then
        local asked = parts(backend.id)
        var.hg_service, var.hg_service_port = asked[2], asked[3]
    else
        var.hg_service = names[3]
    end
end

return _M
