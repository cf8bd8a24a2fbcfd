--- Paths, hosts and URLs as bytes. Pure.
-- On a strict host what is judged is what is sent: a path that a backend could read otherwise
-- than the router did is refused, whichever route it matched, for the open route is the way
-- around the guard.

local limits = require("headgate.limits")

local find, sub, gsub, byte, char = string.find, string.sub, string.gsub, string.byte, string.char
local gmatch, match, format, lower = string.gmatch, string.match, string.format, string.lower
local tonumber = tonumber

local _M = {}

-- Encoded bytes that some backend decodes into another path: slash, backslash, control bytes,
-- ";" (path parameters), and lead bytes that only overlong UTF-8 has.
local function bad_escape(hex)
    local code = tonumber(hex, 16)
    return not code or code == 0x2f or code == 0x5c or code == 0x3b
        or code < 0x20 or code == 0x7f or code == 0xc0 or code == 0xc1
end

local function decode(hex)
    return char(tonumber(hex, 16))
end

--- Decodes the percent escapes of a path.
---@param path string
---@return string
function _M.decode(path)
    return (gsub(path, "%%(%x%x)", decode))
end

local function check_segment(segment, last)
    local semicolon = find(segment, ";", 1, true)
    if semicolon and not last then
        return "';' before a slash"
    end
    local name = semicolon and sub(segment, 1, semicolon - 1) or segment
    local decoded = _M.decode(name)
    if decoded == ".." or (decoded == "." and (semicolon or name ~= ".")) then
        return "dot segment"
    end
end

--- Judges the raw path of a request on a strict host.
---@param raw string the path as the client wrote it, without query
---@return string? path to be sent: `//` and `/./` are gone, all else is as the client wrote it
---@return string? reason why it is refused
function _M.strict(raw)
    if byte(raw, 1) ~= 47 then
        return nil, "no slash at the start"
    end
    if find(raw, "[%z\1-\32\127\\#]") then
        return nil, "backslash, '#' or control byte"
    end
    for hex in gmatch(raw, "%%(.?.?)") do
        if not find(hex, "^%x%x$") or bad_escape(hex) then
            return nil, "escape %" .. hex
        end
    end
    local kept, count = {}, 0
    local trailing = true
    local at = 1
    while at do
        local slash = find(raw, "/", at + 1, true)
        local segment = sub(raw, at + 1, slash and slash - 1 or -1)
        local reason = check_segment(segment, not slash)
        if reason then
            return nil, reason
        end
        trailing = segment == "" or segment == "."
        if not trailing then
            count = count + 1
            kept[count] = segment
        end
        at = slash
    end
    local path = "/" .. table.concat(kept, "/")
    return (trailing and count > 0) and path .. "/" or path
end

--- A path as nginx normalises it for matching: decoded, without empty and dot segments.
---@param raw string the path as a client wrote it; what follows "?" or "#" does not count
---@return string? path nil where it leads above the root, which nginx answers with 400
function _M.normalise(raw)
    local kept, count = {}, 0
    local trailing = true
    for segment, slash in gmatch(_M.decode(match(raw, "^/?([^?#]*)")), "([^/]*)(/?)") do
        trailing = segment == "" or segment == "." or segment == ".."
        if segment == ".." then
            if count == 0 then
                return nil
            end
            kept[count] = nil
            count = count - 1
        elseif not trailing then
            count = count + 1
            kept[count] = segment
        end
        if slash == "" then
            break
        end
    end
    local path = "/" .. table.concat(kept, "/")
    return (trailing and count > 0) and path .. "/" or path
end

--- The path without path parameters (";…"), as servlet containers read it.
---@param path string
---@return string
function _M.without_parameters(path)
    return (gsub(path, ";[^/]*", ""))
end

--- What else a backend could make of a path on a strict host: servlet containers read it without
-- its parameters, some decode what was decoded already, and who parses it as a URL again cuts it
-- off at a "?" or "#" that came in an escape. All of them must lead to the route of the path.
---@param judged string decoded, taken by `strict`
---@return string[]? readings empty for most paths
---@return string? reason why no reading of it can be judged
function _M.readings(judged)
    local found = {}
    local function add(path)
        found[#found + 1] = path
        if find(path, "[?#]") then
            path = match(path, "^[^?#]*")
            found[#found + 1] = path
        end
        if find(path, ";", 1, true) then
            found[#found + 1] = _M.without_parameters(path)
        end
    end
    if find(judged, "[;?#]") then
        add(judged)
    end
    if find(judged, "%%%x%x") then
        local again, reason = _M.strict(match(judged, "^[^?#]*"))
        if not again then
            return nil, "in an escape of an escape: " .. reason
        end
        again = _M.decode(again)
        if find(again, "%%%x%x") then
            return nil, "an escape of an escape of an escape"
        end
        add(again)
    end
    return found
end

local function escape(unsafe)
    return format("%%%02X", byte(unsafe))
end

--- A request URI that is safe in a Location header: escapes stay, all that no URI may hold is
-- escaped, a "%" that begins no escape too.
---@param uri string
---@return string
function _M.encode(uri)
    local function percent(at)
        return find(uri, "^%x%x", at + 1) and "%" or "%25"
    end
    uri = gsub(uri, "()%%", percent)
    return (gsub(uri, "[^%w%-._~:/?#%[%]@!$&'()*+,;=%%]", escape))
end

--- Text of a decoded path as part of a URI: what no path may hold raw is escaped, "?", "#" and "%"
-- too, for they are text here. Slashes and sub-delimiters stay (RFC 3986, "pchar").
---@param text string
---@param in_query boolean? whether it stands behind a "?": what parts arguments is escaped then
---@return string
function _M.encode_text(text, in_query)
    local escaped = gsub(text, "[^%w%-._~/:@!$&'()*+,;=]", escape)
    if in_query then
        escaped = gsub(escaped, "[&+;]", escape)
    end
    return escaped
end

--- Whether a host can stand in a Host header and in a URL: a name or an address in brackets.
---@param host string
---@return boolean
function _M.is_host(host)
    return #host <= limits.host_bytes_max
        and (find(host, "^[%w._~-]+$") ~= nil or find(host, "^%[[%x:.]+%]$") ~= nil)
end

--- A Host header as nginx reads it: lower case, without port and trailing dot.
-- What stands in the place of a port and is none stays, and so makes no host of it: nginx would
-- cut it off, and others read "a:b@c" as the host c.
---@param raw string
---@return string
function _M.host_of(raw)
    local host = match(raw, "^(%[[^%]]*%])") or match(raw, "^[^:]*")
    if #host ~= #raw and not find(raw, "^:%d*$", #host + 1) then
        return lower(raw)
    end
    if sub(host, -1) == "." then
        host = sub(host, 1, -2)
    end
    return lower(host)
end

return _M
