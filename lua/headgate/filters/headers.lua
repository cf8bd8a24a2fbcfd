--- Headers that a route sets or takes away, of its requests or of its answers. Pure: what stands
-- for the variables and what sets a header are arguments.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local parts = require("headgate.parts")
local paths = require("headgate.paths")

local concat = table.concat
local find, lower = string.find, string.lower
local ipairs, type = ipairs, type

local _M = {}

-- What stands for a variable of a value. Each is a word of nginx or was checked when it came, but
-- for the client's URI, which is encoded.
local VARIABLES = {
    host = "host", remote_addr = "remote_addr", request_id = "hg_request_id",
    request_method = "request_method", request_uri = "request_uri", scheme = "scheme",
    server_port = "server_port",
}

-- Which ends a message or a connection, or leads to a backend: whoever could set it could make two
-- requests of one. Which other names a tenant may have is the agent's to say.
local FRAMING = {
    connection = true, ["content-length"] = true, host = true, ["keep-alive"] = true, te = true,
    trailer = true, ["transfer-encoding"] = true, upgrade = true,
}

local token = checks.text(limits.header_name_bytes_max, "^[%w!#$%%&'*+.^_`|~-]+$", "a header")
local text = checks.text(limits.header_value_bytes_max, "^[ -~]*$", "printable ASCII")

local function name(value, field)
    local problem = token(value, field)
    if problem then
        return problem
    end
    if FRAMING[lower(value)] then
        return field .. ": a header that is nginx's own"
    end
end

local part = parts.check(text, VARIABLES)

local set = checks.list(checks.object({
    name = name,
    value = checks.list(part, limits.header_parts_max),
}), limits.headers_max)
local remove = checks.list(name, limits.headers_max)

--- What its document may look like.
---@param kind string
---@return headgate.check
function _M.check_of(kind)
    return checks.object({ kind = checks.one_of(kind), set = set, remove = remove })
end

---@class headgate.headers
---@field removed string[]
---@field names string[]
---@field values (string|headgate.part[])[] of one length with `names`

--- Prepares the filter.
---@param value table
---@return headgate.headers
function _M.new(value)
    local headers = { removed = value.remove, names = {}, values = {} }
    for i, one in ipairs(value.set) do
        local prepared = parts.new(one.value)
        local fixed = true
        for _, each in ipairs(prepared) do
            if each.variable then
                fixed = false
                each.variable = VARIABLES[each.variable]
            end
        end
        headers.names[i] = one.name
        headers.values[i] = fixed and concat(one.value) or prepared
    end
    return headers
end

local function value_of(written, var)
    local out = {}
    for i = 1, #written do
        local one = written[i]
        local value = one.text or var[one.variable] or ""
        out[i] = one.variable == "request_uri" and paths.encode(value) or value
    end
    local value = concat(out)
    -- None of them can hold one; a header is not the place to rely on that.
    return find(value, "[%z\1-\31\127]") and "" or value
end

--- Calls `put` for each header, with nil for one that is taken away.
---@param headers headgate.headers
---@param var table variables of nginx
---@param put fun(name: string, value: string?)
function _M.apply(headers, var, put)
    local removed, names, values = headers.removed, headers.names, headers.values
    for i = 1, #removed do
        put(removed[i], nil)
    end
    for i = 1, #names do
        local value = values[i]
        if type(value) ~= "string" then
            value = value_of(value, var)
        end
        put(names[i], value)
    end
end

return _M
