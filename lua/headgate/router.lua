--- Which route of a host takes a path. Pure: tables in, a route's key out.
-- Rules: Kubernetes Ingress v1, "Path types" and "Multiple matches".

local expressions = require("headgate.expressions")

local match_expressions = expressions.match
local find, sub, byte = string.find, string.sub, string.byte
local pairs = pairs

local SLASH = 47

local _M = {}

---@class headgate.host
---@field alias string? name of the host that decides in its place
---@field expressions headgate.expressions?
---@field exact table<string, string>
---@field prefixes table<string, string>
---@field fallback string
---@field strict boolean
---@field depth integer most segments that a prefix of this host has
---@field root string? key of the route of the prefix "/"

--- Prepares the match table of a host.
---@param value table value of a host document
---@param regex table headgate.regex, for its expressions
---@return headgate.host
function _M.compile(value, regex)
    local depth = 0
    for path in pairs(value.prefixes) do
        if path ~= "/" then
            local segments, at = 0, 1
            while at do
                segments = segments + 1
                at = find(path, "/", at + 1, true)
            end
            if segments > depth then
                depth = segments
            end
        end
    end
    return {
        alias = value.alias ~= "" and value.alias or nil,
        expressions = #value.expressions > 0 and expressions.compile(value.expressions, regex)
            or nil,
        exact = value.exact,
        prefixes = value.prefixes,
        fallback = value.fallback,
        strict = value.strict_paths,
        depth = depth,
        root = value.prefixes["/"],
    }
end

--- The key of the route for a path, or nil where only the fallback is left.
-- Expressions are asked first, in their order. Then an exact path wins; then the prefix with most
-- whole segments. A slash at the end counts for exact paths only. Without expressions it costs at
-- most as many steps as the host's longest prefix has segments, so a client cannot make it dear by
-- a path with many slashes.
---@param host headgate.host
---@param path string decoded and normalised, starts with a slash
---@return string? route
---@return string? kind "exact", "prefix" or "expression"
---@return string? matched the path of the rule
---@return string? err without a route: it cannot be told, and no other route may stand in for it
function _M.match(host, path)
    local route
    local of = host.expressions
    if of then
        local position, err
        route, position, err = match_expressions(of, path)
        if route or err then
            return route, "expression", expressions.name(of, position), err
        end
    end
    route = host.exact[path]
    if route then
        return route, "exact", path
    end
    local prefixes = host.prefixes
    local best, matched = host.root, "/"
    local depth = host.depth
    local at = 1
    while depth > 0 and at do
        local slash = find(path, "/", at + 1, true)
        local prefix
        if slash then
            prefix = sub(path, 1, slash - 1)
        elseif byte(path, -1) ~= SLASH then
            prefix = path
        end
        if prefix then
            route = prefixes[prefix]
            if route then
                best, matched = route, prefix
            end
        end
        at = slash
        depth = depth - 1
    end
    if best then
        return best, "prefix", matched
    end
    return nil
end

--- The key of the wildcard host that covers a name: one label, the first.
---@param name string
---@return string? wildcard
function _M.wildcard(name)
    local dot = find(name, ".", 1, true)
    if not dot or dot == 1 then
        return nil
    end
    return "*" .. sub(name, dot)
end

return _M
