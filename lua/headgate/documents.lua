--- What a document may look like. Pure: no ngx, no shared memory.
-- A field that is not known is refused and not skipped: it may be a guard of a newer agent.
-- lua/schema/document.schema.json says the same to the agent; test/lua/documents holds both to it.

local basic_auth = require("headgate.filters.basic_auth")
local checks = require("headgate.checks")
local filters = require("headgate.filters")
local limits = require("headgate.limits")
local version = require("headgate.version")

local pairs, tostring, type = pairs, tostring, type
local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub
local address, boolean, integer, list = checks.address, checks.boolean, checks.integer, checks.list
local map, object, one_of, or_empty = checks.map, checks.object, checks.one_of, checks.or_empty
local text = checks.text

local _M = {}

local function pem(want)
    return function(value, field)
        if type(value) ~= "string" or #value > limits.certificate_bytes_max then
            return field .. ": not a string of at most " .. limits.certificate_bytes_max .. " bytes"
        end
        if not find(value, want, 1, true) then
            return field .. ": not PEM, there is no " .. want
        end
    end
end

local function same_length(value, field)
    local count = #value.addresses
    if #value.ports ~= count or #value.weights ~= count then
        return field .. ": addresses, ports and weights differ in length"
    end
end

local function short_prefixes(value, field)
    for path in pairs(value.prefixes) do
        if #path > 1 and sub(path, -1) == "/" then
            return field .. ".prefixes: " .. path .. " ends with a slash"
        end
        local segments = 0
        for _ in gmatch(path, "/") do
            segments = segments + 1
        end
        if segments > limits.prefix_segments_max then
            return field .. ".prefixes: more than " .. limits.prefix_segments_max .. " segments"
        end
    end
end

local word = text(limits.text_bytes_max)
local path = text(limits.path_bytes_max, "^/", "a path that starts with a slash")
local three_parts = text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+/[^/%s]+$", "a key of three parts")
local two_parts = text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+$", "a key of two parts")
local milliseconds = integer(1, limits.timeout_ms_max)
local anchored = text(limits.pattern_bytes_max, "^%^", "a pattern that starts with ^")
local host_paths = map(path, three_parts, limits.host_paths_max)

local kinds = {
    backend = object({
        namespace = word,
        service = word,
        port = word,
        balancer = one_of("round_robin"),
        addresses = list(address, limits.backend_peers_max),
        ports = list(integer(1, 65535), limits.backend_peers_max),
        weights = list(integer(1, limits.weight_max), limits.backend_peers_max),
    }, same_length, { slow_start_s = integer(0, limits.slow_start_s_max) }),
    route = object({
        namespace = word,
        ingress = word,
        service = word,
        path = text(limits.path_bytes_max),
        profile = text(64, "^[a-z][a-z0-9-]*$", "the name of a profile"),
        backends = list(object({
            backend = three_parts,
            weight = integer(0, 1000000),
        }), limits.route_backends_max),
        ssl_redirect = one_of("always", "certificate", "never"),
        filters = filters.check,
        closed = text(limits.text_bytes_max),
        timeouts = object({
            connect_ms = milliseconds, send_ms = milliseconds, read_ms = milliseconds,
        }),
        retry = object({
            tries = integer(1, limits.tries_max), timeout_ms = integer(0, limits.timeout_ms_max),
        }),
    }),
    host = object({
        alias = or_empty(text(limits.host_bytes_max, "^[a-z0-9.-]+$", "a host name")),
        expressions = list(object({
            prefix = text(limits.path_bytes_max, "^/[^A-Z]*$", "a path in lower case"),
            pattern = or_empty(anchored),
            route = three_parts,
        }), limits.host_paths_max),
        exact = host_paths,
        prefixes = host_paths,
        fallback = or_empty(three_parts),
        strict_paths = boolean,
    }, short_prefixes),
    server_name = object({
        certificate = or_empty(two_parts),
    }, nil, { second = two_parts }),
    certificate = object({
        certificate = pem("-----BEGIN CERTIFICATE-----"),
        key = pem("PRIVATE KEY-----"),
        fingerprint = word,
        names = list(word, limits.certificate_names_max),
        not_after = integer(0, limits.generation_max),
    }),
    users = basic_auth.check_users,
}

local listener_name = "^[a-z0-9-]+/([^/]+)$"

local function host_key(key)
    local name = match(key, listener_name)
    if not name or #name > limits.host_bytes_max then
        return false
    end
    return name == "_" or find(name, "^[a-z0-9.-]+$") ~= nil
        or find(name, "^%*%.[a-z0-9.-]+$") ~= nil
end

local function matches(check)
    return function(key)
        return check(key, "key") == nil
    end
end

local keys = {
    backend = matches(three_parts),
    route = matches(three_parts),
    certificate = matches(two_parts),
    users = matches(three_parts),
    host = host_key,
    server_name = host_key,
}

--- Names of the kinds of documents, in the order in which they must arrive.
_M.KINDS = { "backend", "certificate", "users", "route", "host", "server_name" }

--- Whether a key can be one of its kind.
---@param kind string
---@param key any
---@return boolean? ok
---@return string? problem
function _M.check_key(kind, key)
    if type(kind) ~= "string" or not keys[kind] then
        return nil, "kind: not one of the known kinds"
    end
    if type(key) ~= "string" or #key > limits.key_bytes_max or find(key, "[%z\1-\32\127]")
        or not keys[kind](key)
    then
        return nil, "key: not a key of a " .. kind
    end
    return true
end

--- Whether a number can be a generation.
---@param generation any
---@return boolean
function _M.is_generation(generation)
    return type(generation) == "number" and generation % 1 == 0
        and generation >= 1 and generation <= limits.generation_max
end

--- Checks a document that is held already, as far as it may say something that is not understood
-- here. Of a host only the names of its fields: to check its thousands of paths costs more than all
-- else that is done with it.
---@param kind string
---@param value any
---@return string? problem
function _M.check_held(kind, value)
    if type(value) ~= "table" then
        return "value: not an object"
    end
    if kind == "route" then
        return kinds.route(value, "value")
    end
    return checks.unknown_field(kinds[kind], value, "value")
end

local line_fields = { kind = true, key = true, generation = true, schema = true, value = true }

--- Checks one decoded line of a push.
---@param line any what the JSON of the line gave
---@param null any the decoder's null: as value it asks for a deletion
---@return boolean? ok
---@return string? problem names the field
function _M.check_line(line, null)
    if type(line) ~= "table" then
        return nil, "line: not an object"
    end
    for name in pairs(line) do
        if not line_fields[name] then
            return nil, "line: field " .. tostring(name) .. " is not known"
        end
    end
    local ok, problem = _M.check_key(line.kind, line.key)
    if not ok then
        return nil, problem
    end
    if not _M.is_generation(line.generation) then
        return nil, "generation: not a whole number from 1 to " .. limits.generation_max
    end
    if line.schema ~= version.schema then
        return nil, "schema: " .. tostring(line.schema) .. " is not spoken here, "
            .. version.schema .. " is"
    end
    if line.value == nil then
        return nil, "value: missing; null deletes"
    end
    if line.value ~= null then
        problem = kinds[line.kind](line.value, "value")
        if problem then
            return nil, problem
        end
    end
    return true
end

return _M
