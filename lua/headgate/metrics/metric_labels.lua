--- Labels and numbers as Prometheus text wants them. Pure.

local format, gsub, match = string.format, string.gsub, string.match

local _M = {}

local function label(value)
    return (gsub(value, '[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

--- The labels of a series of requests.
---@param key string "<namespace>/<ingress>/<service>"
---@return string
function _M.of_route(key)
    local namespace, ingress, service = match(key, "^([^/]*)/([^/]*)/([^/]*)$")
    return format('namespace="%s",ingress="%s",service="%s"',
        label(namespace or ""), label(ingress or ""), label(service or ""))
end

--- The labels of a backend.
---@param id string "<namespace>/<service>/<port>"
---@return string
function _M.of_backend(id)
    local namespace, service, port = match(id, "^([^/]*)/([^/]*)/([^/]*)$")
    return format('namespace="%s",service="%s",port="%s"',
        label(namespace or ""), label(service or ""), label(port or ""))
end

--- A value: whole where it is whole.
---@param value number
---@return string
function _M.number(value)
    return value % 1 == 0 and format("%d", value) or format("%.6f", value)
end

return _M
