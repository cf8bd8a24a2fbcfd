--- Where all requests of a route are sent. Pure: what stands for the variables is an argument.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local parts = require("headgate.parts")
local paths = require("headgate.paths")

local concat = table.concat
local find, sub = string.find, string.sub
local ipairs = ipairs

local _M = {}

local VARIABLES = {
    scheme = true, host = true, request_uri = true, uri = true, args = true,
    query_string = true, is_args = true,
}

local text = checks.text(limits.path_bytes_max)

local part = parts.check(text, VARIABLES)

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("redirect"),
    code = checks.one_of(301, 302, 303, 307, 308),
    location = checks.list(part, limits.redirect_parts_max),
}, function(value, field)
    local first = value.location[1]
    if first == "$scheme" then
        first = "http" .. (value.location[2] or "")
    end
    if not first or not find(first, "^https?://") then
        return field .. ".location: not an http or https URL"
    end
end)

---@class headgate.redirect
---@field code integer
---@field parts headgate.part[]

--- Prepares the filter.
---@param value table
---@return headgate.redirect
function _M.new(value)
    return { code = value.code, parts = parts.new(value.location) }
end

--- The value of the Location header.
---@param redirect headgate.redirect
---@param request { scheme: string, host: string, path: string, uri: string } path: decoded; uri: as
---  the client wrote it
---@return string location
function _M.location(redirect, request)
    local uri = request.uri
    local question = find(uri, "?", 1, true)
    local query = question and sub(uri, question + 1) or ""
    local values = {
        scheme = request.scheme,
        host = request.host,
        request_uri = uri,
        uri = paths.encode_text(request.path),
        args = query,
        query_string = query,
        is_args = query ~= "" and "?" or "",
    }
    local out = {}
    for i, one in ipairs(redirect.parts) do
        out[i] = one.text or values[one.variable]
    end
    return paths.encode(concat(out))
end

return _M
