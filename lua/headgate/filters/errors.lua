--- Which errors of a route its default backend answers. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")

local match = string.match
local ipairs = ipairs

local _M = {}

local status = checks.integer(400, 599)

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("errors"),
    codes = checks.list(status, limits.error_codes_max),
    backend = checks.text(
        limits.key_bytes_max, "^[^/%s]+/[^/%s]+/[^/%s]+$", "a key of three parts"
    ),
    port = checks.text(limits.text_bytes_max),
})

---@class headgate.errors
---@field codes table<integer, boolean> that the default backend answers
---@field backend string key of the default backend
---@field port string of the route's own backend

--- Prepares the filter.
---@param value table
---@return headgate.errors
function _M.new(value)
    local codes = {}
    for _, code in ipairs(value.codes) do
        codes[code] = true
    end
    return { codes = codes, backend = value.backend, port = value.port }
end

--- Tells nginx's variables which error of which route it is.
---@param errors headgate.errors
---@param label string of the route: namespace, Ingress and Service
---@param code integer
---@param var table set by name
function _M.tell(errors, label, code, var)
    local namespace, ingress, service = match(label, "^([^/]*)/([^/]*)/([^/]*)$")
    var.hg_code = code
    var.hg_namespace, var.hg_ingress, var.hg_service = namespace, ingress, service
    var.hg_service_port = errors.port
end

return _M
