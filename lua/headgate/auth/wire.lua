--- The request to a service that decides about another request, and where its users sign in. Pure:
-- what stands for variables, and the client's headers, are arguments.

local paths = require("headgate.paths")

local find, gsub, lower, sub = string.find, string.gsub, string.lower, string.sub
local concat = table.concat
local error, ipairs, pairs, type = error, ipairs, pairs, type

local _M = {}

-- What holds for the client's connection or for the answer that it wants, and what we say
-- ourselves: what a client writes there would be believed.
local NOT_PASSED = {}
for _, name in ipairs({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade", "http2-settings", "accept-encoding", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range",
    "forwarded", "front-end-https", "proxy", "x-auth-request-redirect", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-method", "x-forwarded-port", "x-forwarded-prefix",
    "x-forwarded-proto", "x-forwarded-scheme", "x-forwarded-server", "x-forwarded-ssl",
    "x-forwarded-uri", "x-original-forwarded-for", "x-original-host", "x-original-method",
    "x-original-uri", "x-original-url", "x-real-ip", "x-request-id", "x-rewrite-url", "x-scheme",
    "x-sent-from", "ssl-client-cert", "ssl-client-issuer-dn", "ssl-client-subject-dn",
    "ssl-client-verify",
}) do
    NOT_PASSED[name] = true
end

-- A name as those read it to whom "_" and "-" are one.
local function spelt(name)
    return (gsub(lower(name), "_", "-"))
end

_M.spelt = spelt

local function add(out, name, value)
    if find(value, "[%z\r\n]") or find(name, "[^%w!#$%%&'*+%-.^_`|~]") then
        error("a header that cannot be sent", 0)
    end
    out[#out + 1] = name .. ": " .. value .. "\r\n"
end

local function pass_on(out, client, replaced)
    -- What the client names in Connection is for us alone.
    local mine = {}
    for name, value in pairs(client) do
        if lower(name) == "connection" then
            local text = type(value) == "table" and concat(value, ",") or value
            for token in string.gmatch(spelt(text), "[^, \t]+") do
                mine[token] = true
            end
        end
    end
    for name, value in pairs(client) do
        local known = spelt(name)
        -- A client that names Cookie or Authorization in Connection only keeps itself out.
        if not NOT_PASSED[known] and not mine[known] and not replaced[known] then
            for _, one in ipairs(type(value) == "table" and value or { value }) do
                if type(one) == "string" then
                    add(out, name, one)
                end
            end
        end
    end
end

--- The bytes of the request.
---@param asked { method: string, target: string, host: string }
---@param own string[][] headers in their order, name and value; "" for none
---@param client table<string, string|string[]> headers by name, as ngx.req.get_headers gives them
---@return string
function _M.request(asked, own, client)
    if find(asked.target, "[^!-~]") or find(asked.host, "[^%w.:%[%]_-]")
        or find(asked.method, "[^A-Z]")
    then
        error("a request that cannot be written", 0)
    end
    local out = { asked.method .. " " .. asked.target .. " HTTP/1.1\r\n" }
    add(out, "Host", asked.host)
    local replaced = {}
    for _, header in ipairs(own) do
        replaced[spelt(header[1])] = true
        if header[2] ~= "" then
            add(out, header[1], header[2])
        end
    end
    pass_on(out, client, replaced)
    if asked.method ~= "GET" and asked.method ~= "HEAD" then
        add(out, "Content-Length", "0")
    end
    out[#out + 1] = "\r\n"
    return concat(out)
end

-- These stand in a URL as a client writes them, so their escapes stay. All others are text.
local WRITTEN = {
    scheme = true, host = true, http_host = true, request_uri = true, uri = true, args = true,
    query_string = true, is_args = true, escaped_request_uri = true,
}

-- What encode_text leaves, and where a URL is taken apart.
local PARTING = { ["/"] = "%2F", [":"] = "%3A", ["@"] = "%40" }

--- A URL or a part of one by its parts.
---@param parts headgate.part[]
---@param value_of fun(name: string): string
---@return string url nothing in it ends a header or a request line
function _M.url(parts, value_of)
    local out = {}
    for i, part in ipairs(parts) do
        local value = part.text
        if not value then
            value = value_of(part.variable)
            if not WRITTEN[part.variable] then
                value = gsub(paths.encode_text(value, true), "[/:@]", PARTING)
            end
        end
        out[i] = value
    end
    return paths.encode(concat(out))
end

--- A request target by its parts: no fragment is sent.
---@param parts headgate.part[]
---@param value_of fun(name: string): string
---@return string
function _M.target(parts, value_of)
    local target = gsub(_M.url(parts, value_of), "#", "%%23")
    return sub(target, 1, 1) == "/" and target or "/" .. target
end

--- Where somebody signs in, with the URL that led there as an argument.
---@param url string
---@param param string its name; "" where the URL has it already
---@param back string
---@return string location
function _M.sign_in(url, param, back)
    if param == "" then
        return url
    end
    local base, fragment = string.match(url, "^([^#]*)(.*)$")
    local escaped = gsub(back, "[^%w%-._~]", function(unsafe)
        return string.format("%%%02X", string.byte(unsafe))
    end)
    return base .. (find(base, "?", 1, true) and "&" or "?") .. param .. "=" .. escaped .. fragment
end

return _M
