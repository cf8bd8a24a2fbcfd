--- The guard that asks another service whether a request may pass: the shape of its document and
-- its prepared form. Pure; what asks is headgate.auth.guard.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local parts = require("headgate.parts")

local find, lower, match, sub = string.find, string.lower, string.match, string.sub
local ipairs, tonumber = ipairs, tonumber

local _M = {}

local token = checks.text(256, "^[%w!#$%%&'*+%-.^_`|~]+$", "the name of a header")
local text = checks.text(limits.path_bytes_max)
local status = checks.integer(200, 499)

local function variable(value, field)
    local problem = text(value, field)
    if problem then
        return problem
    end
    if sub(value, 1, 1) == "$" and not find(value, "^%$[a-z][a-z0-9_]*$") then
        return field .. ": not the name of a variable"
    end
end

local function host(value, field)
    local problem = checks.text(300)(value, field)
    if problem then
        return problem
    end
    local name = match(value, "^(.*):%d%d?%d?%d?%d?$") or value
    if name ~= "$host" and not find(name, "^[a-z0-9._-]+$")
        and not find(name, "^%[[0-9a-f:.]+%]$")
    then
        return field .. ": not a name, an address in brackets or $host"
    end
end

local part_list = checks.list(variable, limits.auth_parts_max)

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("external_auth"),
    scheme = checks.one_of("http", "https", "$scheme"),
    host = host,
    backend = checks.or_empty(
        checks.text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+/[^/%s]+$", "a key of three parts")),
    target = part_list,
    method = checks.one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    verify = checks.one_of("on", "off", "auto"),
    request_headers = checks.list(checks.object({
        name = token, value = part_list,
    }), limits.auth_headers_max),
    response_headers = checks.list(token, limits.auth_headers_max),
    redirect = part_list,
    sign_in = part_list,
    sign_in_param = checks.or_empty(checks.text(256, "^[%w._~-]+$", "the name of an argument")),
    always_set_cookie = checks.boolean,
    cache = checks.object({
        key = part_list,
        valid = checks.list(checks.object({
            status = status, seconds = checks.integer(1, limits.auth_cache_seconds_max),
        }), 64),
    }),
})

-- The path that is asked for, where no variable stands in it.
local function path_of(target)
    local first = target[1]
    if not first or sub(first, 1, 1) ~= "/" then
        return nil
    end
    return (#target == 1 or find(first, "?", 1, true)) and match(first, "^[^?]*") or nil
end

local serial = 0

local function judge(guard, request)
    -- Not before there is a request: it wants nginx.
    return require("headgate.auth.guard").judge(guard, request)
end

local function skip(guard, request)
    return require("headgate.auth.guard").skip(guard, request)
end

local function note(guard)
    return "would ask " .. guard.scheme .. "://" .. guard.host
end

--- Prepares a guard.
---@param value table
---@return headgate.guard
function _M.new(value)
    serial = serial + 1
    local valid = {}
    for _, entry in ipairs(value.cache.valid) do
        valid[entry.status] = entry.seconds
    end
    local own, copied = {}, {}
    for i, header in ipairs(value.request_headers) do
        own[i] = { name = header.name, parts = parts.new(header.value) }
    end
    for i, name in ipairs(value.response_headers) do
        copied[i] = { name = name, lower = lower(name) }
    end
    local name = match(value.host, "^(%[[^%]]*%])") or match(value.host, "^[^:]*")
    return {
        -- Another document is another guard: what was said for the one before does not count.
        serial = serial,
        scheme = value.scheme,
        host = value.host,
        name = name,
        port = tonumber(match(value.host, ":(%d+)$")),
        -- None: its host is one that is served here.
        backend = value.backend ~= "" and value.backend or nil,
        target = parts.new(value.target),
        path = path_of(value.target),
        method = value.method,
        verify = value.verify,
        request_headers = own,
        response_headers = copied,
        redirect = parts.new(value.redirect),
        sign_in = #value.sign_in > 0 and parts.new(value.sign_in) or nil,
        sign_in_param = value.sign_in_param,
        always_set_cookie = value.always_set_cookie,
        cache_key = #value.cache.key > 0 and parts.new(value.cache.key) or nil,
        cache_valid = valid,
        judge = judge,
        skip = skip,
        note = note,
    }
end

return _M
