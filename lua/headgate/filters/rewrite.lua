--- What is sent to the backend in place of the client's path. Pure: the regular expressions are an
-- argument. nginx's own `rewrite` is not used (CVE-2026-42945, CVE-2026-9256).
--
-- Captures are text of the decoded path, so they are encoded anew, all by one encoder. A rewrite
-- joins texts, and so it can make a dot segment that was none ("/app/" and "../x"): such a request
-- is refused, for the backend would resolve it to a path that this route was not given.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local paths = require("headgate.paths")

local byte, find, gmatch, gsub = string.byte, string.find, string.gmatch, string.gsub
local lower, match, sub = string.lower, string.match, string.sub
local concat = table.concat
local tonumber, type = tonumber, type
local encode_text = paths.encode_text

local SLASH = 47

local _M = {}

local function target(value, field)
    if find(gsub(value, "%$[1-9]", ""), "$", 1, true) then
        return field .. ": a $ without a digit from 1 to 9 behind it"
    end
end

local text = checks.text(limits.path_bytes_max)

--- What the document of a rewrite may look like.
_M.check = checks.object({
    kind = checks.one_of("rewrite"),
    pattern = checks.text(limits.pattern_bytes_max, ".", "a pattern"),
    target = function(value, field)
        return text(value, field) or target(value, field)
    end,
})

--- What the document of a strip may look like.
_M.check_strip = checks.object({
    kind = checks.one_of("strip"),
    prefix = checks.text(limits.path_bytes_max, "^/", "a path that starts with a slash"),
    target = checks.text(limits.path_bytes_max, "^/[^?#]*$", "a path that starts with a slash"),
})

--- What the document of a prefix that backends are told of may look like.
_M.check_forwarded_prefix = checks.object({
    kind = checks.one_of("forwarded_prefix"),
    value = function(value, field)
        return text(value, field) or target(value, field)
    end,
})

--- Literals as strings and captures as numbers, in turns.
---@param template string
---@return (string|integer)[]
function _M.parts_of(template)
    local parts = {}
    for literal, capture in gmatch(template .. "$0", "([^$]*)%$(%d)") do
        if literal ~= "" then
            parts[#parts + 1] = (gsub(paths.encode(literal), "#", "%%23"))
        end
        if capture ~= "0" then
            parts[#parts + 1] = tonumber(capture)
        end
    end
    return parts
end

--- Prepares a rewrite.
---@param value table
---@param regex table `new` and `captures` of headgate.regex
---@return table? rewrite
---@return string? err the pattern cannot be compiled
function _M.new(value, regex)
    local handle, err = regex.compiled(value.pattern)
    if not handle then
        return nil, err
    end
    local path, query = match(value.target, "^([^?]*)%??(.*)$")
    return {
        handle = handle,
        captures = regex.captures,
        path = _M.parts_of(path),
        query = find(value.target, "?", 1, true) and _M.parts_of(query) or nil,
    }
end

--- Prepares a strip: the prefix is replaced by the target, by whole segments.
---@param value table
---@return table rewrite
function _M.new_strip(value)
    local function trimmed(path)
        return byte(path, -1) == SLASH and sub(path, 1, -2) or path
    end
    return {
        prefix = lower(trimmed(value.prefix)),
        target = trimmed(paths.encode(value.target)),
    }
end

local function put_together(parts, captures, in_query)
    local out = {}
    for i = 1, #parts do
        local part = parts[i]
        out[i] = type(part) == "string" and part or encode_text(captures[part] or "", in_query)
    end
    return concat(out)
end

-- A dot segment as backends resolve it, path parameters left out of account.
local function has_dot_segment(path)
    return find(path, "/.", 1, true) ~= nil and find(path .. "/", "/%.%.?[/;]") ~= nil
end

local function query_of(uri)
    return match(uri, "^[^?#]*%?([^#]*)")
end

local function joined(path, own, sent)
    local query = own or ""
    if sent and sent ~= "" then
        query = query == "" and sent or query .. "&" .. sent
    end
    return query == "" and path or path .. "?" .. query
end

local function stripped(rewrite, path)
    local prefix = rewrite.prefix
    local rest = sub(path, #prefix + 1)
    if lower(sub(path, 1, #prefix)) ~= prefix or (rest ~= "" and byte(rest) ~= SLASH) then
        return nil
    end
    local result = rewrite.target .. encode_text(rest)
    return result == "" and "/" or result
end

--- Text with what the pattern of a rewrite captures in a path.
---@param rewrite table? a strip captures nothing
---@param parts (string|integer)[] of `parts_of`
---@param path string decoded and normalised
---@return string? text nil where the path is not rewritten
function _M.fill(rewrite, parts, path)
    if not rewrite then
        return nil
    end
    if rewrite.prefix then
        return stripped(rewrite, path) and put_together(parts, {})
    end
    local captures = rewrite.captures(rewrite.handle, path)
    return captures and put_together(parts, captures)
end

--- The URI to be sent.
---@param rewrite table
---@param path string decoded and normalised
---@param uri string as it would be sent without the rewrite
---@return string? uri
---@return integer? status without a URI: what is answered
---@return string? reason
function _M.apply(rewrite, path, uri)
    local result, own
    if rewrite.prefix then
        result = stripped(rewrite, path)
    else
        local captures, err = rewrite.captures(rewrite.handle, path)
        if err then
            return nil, 503, "rewrite: " .. err
        end
        if captures then
            result = put_together(rewrite.path, captures)
            own = rewrite.query and put_together(rewrite.query, captures, true)
        end
    end
    if not result then
        return uri
    end
    if byte(result) ~= SLASH then
        result = "/" .. result
    end
    if has_dot_segment(result) then
        return nil, 400, "the rewritten path has a dot segment"
    end
    return joined(result, own, query_of(uri))
end

return _M
