--- When a request is sent on to https, and what an answer over https says of it.

local paths = require("headgate.paths")
local router = require("headgate.router")
local store = require("headgate.store")

local ipairs = ipairs
local sub = string.sub
local get_at, wildcard = store.get_at, router.wildcard
local SERVER_NAME = store.server_name
local var = ngx.var

---@class headgate.https
---@field port integer where http is redirected to
---@field redirect_code integer
---@field no_redirect_paths string[] paths that begin so stay on http
---@field hsts string? value of Strict-Transport-Security
---@field forwarded boolean X-Forwarded-Proto of trusted proxies counts
local _M = {
    port = 443, redirect_code = 308, no_redirect_paths = { "/.well-known/acme-challenge/" },
    forwarded = false,
}

local function find_certificate(name, changes)
    if get_at(SERVER_NAME, name, changes) then
        return true
    end
    local covering = wildcard(name)
    return covering ~= nil and get_at(SERVER_NAME, covering, changes) ~= nil
end

--- Whether a name has a certificate. A host of its own name remembers the answer until the next
-- change of anything.
---@param name string
---@param host table its document
---@param exact boolean the document is of this very name
---@param changes integer?
---@return boolean
function _M.has_certificate(name, host, exact, changes)
    if not exact then
        return find_certificate(name, changes)
    end
    if host.certificate_seen ~= changes then
        host.certificate_seen, host.has_certificate = changes, find_certificate(name, changes)
    end
    return host.has_certificate
end

local function is_secure(as)
    if as then
        return as.secure
    end
    if _M.forwarded then
        return var.hg_scheme == "https"
    end
    return var.https == "on"
end

_M.is_secure = is_secure

local function stays_on_http(path)
    for _, prefix in ipairs(_M.no_redirect_paths) do
        if sub(path, 1, #prefix) == prefix then
            return true
        end
    end
    return false
end

--- Whether a route sends a request on to https, where the host has a certificate.
---@param route table
---@param path string
---@param as headgate.request.as?
---@return boolean
function _M.wants(route, path, as)
    return route.redirects and not is_secure(as) and not stays_on_http(path)
end

--- The URL of a request over https.
---@param name string
---@param uri string as the client wrote it
---@return string
function _M.location(name, uri)
    local port = _M.port == 443 and "" or ":" .. _M.port
    return "https://" .. name .. port .. paths.encode(uri)
end

--- What Strict-Transport-Security says in the answer to the running request. RFC 6797, section 7.2:
-- over TLS alone. Not by the default certificate: browsers refuse that.
---@param name string
---@param changes integer?
---@return string? value
function _M.strict_transport(name, changes)
    if _M.hsts and var.https == "on" and find_certificate(name, changes) then
        return _M.hsts
    end
end

return _M
