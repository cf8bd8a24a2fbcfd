--- Asks a service whether the running request may pass. Only a 2xx of a well-formed answer lets it
-- pass; 401 and 403 are its word too; whatever else happens, the route answers 503.

local cache = require("headgate.auth.cache")
local client = require("headgate.auth.client")
local cors = require("headgate.filters.cors")
local health = require("headgate.health")
local https = require("headgate.https")
local limits = require("headgate.limits")
local outcomes = require("headgate.auth.outcomes")
local paths = require("headgate.paths")
local round_robin = require("headgate.pickers.round_robin")
local settings = require("headgate.auth.settings")
local store = require("headgate.store")
local wire = require("headgate.auth.wire")

local concat = table.concat
local find, sub = string.find, string.sub
local ipairs, pairs, tostring = ipairs, pairs, tostring
local ngx = ngx
local now = ngx.now
local var = ngx.var

local _M = {}

local function query_of(uri)
    local question = find(uri, "?", 1, true)
    return question and sub(uri, question + 1) or ""
end

local OF_REQUEST = {
    scheme = function() return https.is_secure() and "https" or "http" end,
    host = function(request) return request.host end,
    http_host = function() return var.http_host or "" end,
    request_uri = function(request) return request.uri end,
    escaped_request_uri = function(request) return ngx.escape_uri(request.uri) end,
    uri = function(request) return paths.encode_text(request.path) end,
    args = function(request) return query_of(request.uri) end,
    is_args = function(request) return query_of(request.uri) ~= "" and "?" or "" end,
    request_method = function() return var.request_method end,
}
OF_REQUEST.query_string = OF_REQUEST.args

-- Names of ingress-nginx for the same things.
local SAME = {
    pass_access_scheme = "scheme", best_http_host = "http_host", pass_server_port = "server_port",
    document_uri = "uri",
}

local function values_of(request)
    return function(name)
        name = SAME[name] or name
        local own = OF_REQUEST[name]
        if own then
            return own(request)
        end
        return var[name] or ""
    end
end

local function joined(answer, name)
    local values = answer.headers[name]
    return values and concat(values, ", ") or nil
end

-- What is said about the request that waits. The URI is the one that is judged here and sent on.
local function own_headers(guard, request, value_of)
    local scheme, host = value_of("scheme"), value_of("http_host")
    local uri = paths.encode(request.uri)
    local own = {
        { "X-Original-URL", scheme .. "://" .. host .. uri },
        { "X-Original-Method", var.request_method },
        { "X-Auth-Request-Redirect", wire.url(guard.redirect, value_of) },
        { "X-Sent-From", "headgate" },
        { "X-Real-IP", var.remote_addr },
        { "X-Forwarded-For", var.hg_forwarded_for or var.remote_addr },
        { "X-Forwarded-Proto", scheme },
        { "X-Forwarded-Host", var.hg_forwarded_host or request.host },
        { "X-Forwarded-Port", var.hg_port or var.server_port },
        { "X-Forwarded-Method", var.request_method },
        { "X-Forwarded-Uri", uri },
        { "X-Request-ID", var.hg_request_id or "" },
    }
    for _, header in ipairs(guard.request_headers) do
        local value = {}
        for i, part in ipairs(header.parts) do
            value[i] = part.text or value_of(part.variable)
        end
        own[#own + 1] = { header.name, concat(value) }
    end
    return own
end

-- Where a host that is served here leads: the auth service of most is behind the same edge, and a
-- connection to ourselves would come from an address of which no guard knows the client.
-- Its guards are not asked: `own` keeps them from asking themselves.
local function own_place(name, target, secure)
    local request = require("headgate.request")
    local path = paths.normalise(target)
    if not path then
        return nil, "its path leads above the root"
    end
    local as = { secure = secure, own = true }
    local route, uri, backend, instead = request.decide(name, path, target, as)
    if not route then
        return nil, "its own route answers " .. tostring(uri)
    end
    if instead then
        -- The word of a default backend is not the service's.
        return nil, "its own route has no peers"
    end
    local filters = route.filters
    if filters and (filters.guards or filters.asking) then
        return nil, "its own route is guarded"
    end
    local profile = route.profile
    if profile ~= "http" and profile ~= "https" and profile ~= "https-named" then
        return nil, "its own route is not of plain HTTP or unverified HTTPS"
    end
    return {
        backend = backend, target = uri, tls = profile ~= "http",
        server_name = filters and filters.tls_name,
        host = filters and filters.upstream_host or name,
    }
end

local function place_of(guard, request, target, scheme)
    local name = guard.name == "$host" and request.host or guard.name
    local secure = scheme == "https"
    if not guard.backend then
        if name ~= request.host and not store.get(store.host, name) then
            return nil, "host " .. name .. " is not served here"
        end
        return own_place(name, target, secure)
    end
    local backend = store.get(store.backend, guard.backend)
    if not backend or backend.broken then
        return nil, "backend " .. guard.backend .. " is missing"
    end
    return {
        backend = backend, target = target, host = guard.host, tls = secure,
        server_name = not find(name, "^[%d.]+$") and not find(name, "[", 1, true) and name or nil,
        verify = guard.verify == "on" or (guard.verify == "auto" and settings.verify),
    }
end

-- Ejected peers are the last resort.
local function pick(backend, tried)
    local ejected = health.barred(backend)
    if ejected then
        local barred = {}
        for i = 1, backend.count do
            barred[i] = ejected[i] or (tried and tried[i])
        end
        local index = round_robin.next(backend.picker, barred)
        if index then
            return index
        end
    end
    return round_robin.next(backend.picker, tried)
end

local function ask_peers(place, asking)
    local backend = place.backend
    local tried, err = nil, "no peers"
    for _ = 1, limits.auth_tries_max do
        local index = backend.count > 0 and pick(backend, tried)
        if not index then
            break
        end
        local answer, fault, unreached = client.ask({
            address = backend.addresses[index],
            port = backend.ports[index],
            tls = place.tls,
            name = place.server_name,
            verify = place.verify or false,
        }, asking)
        if answer then
            return answer
        end
        err = fault
        if not unreached or now() >= asking.deadline then
            break
        end
        tried = tried or {}
        tried[index] = true
    end
    return nil, err
end

-- What of an answer counts, and is remembered.
local function verdict_of(guard, answer)
    local verdict = { status = answer.status, copied = {}, cookies = answer.headers["set-cookie"] }
    for i, header in ipairs(guard.response_headers) do
        verdict.copied[i] = joined(answer, header.lower) or false
    end
    if answer.status == 401 then
        -- nginx has one line for it.
        verdict.challenge = joined(answer, "www-authenticate")
    end
    if answer.status >= 300 and answer.body ~= "" and not answer.headers["content-encoding"] then
        verdict.body = answer.body
        verdict.content_type = joined(answer, "content-type")
    end
    return verdict
end

-- By the route's guard and the host: aliases of a host share their routes.
local function cache_key(guard, host, value_of)
    local out, said = { guard.serial, host }, false
    for i, part in ipairs(guard.cache_key) do
        local value = part.text or value_of(part.variable)
        said = said or (part.variable ~= nil and value ~= "")
        out[i + 2] = value
    end
    local key = concat(out, "\0")
    return said and #key <= limits.auth_cache_key_bytes_max and key or nil
end

local function remember(guard, key, verdict)
    local seconds = guard.cache_valid[verdict.status]
    -- A cookie is for one client, and for one time.
    if not seconds or verdict.cookies then
        return
    end
    local bytes = 256 + #(verdict.challenge or "") + #(verdict.body or "")
    for _, value in ipairs(verdict.copied) do
        bytes = bytes + 32 + (value and #value or 0)
    end
    cache.set(key, verdict, bytes, now() + seconds)
end

local function ask(guard, request, value_of, sent)
    local scheme = guard.scheme == "$scheme" and value_of("scheme") or guard.scheme
    local place, err = place_of(guard, request, wire.target(guard.target, value_of), scheme)
    if not place then
        return nil, err
    end
    local text = wire.request(
        { method = guard.method, target = place.target, host = place.host },
        own_headers(guard, request, value_of), sent)
    local answer
    answer, err = ask_peers(place, {
        text = text, method = guard.method, deadline = now() + settings.timeout_s,
    })
    if not answer then
        return nil, err
    end
    local status = answer.status
    if (status >= 200 and status < 300) or status == 401 or status == 403 then
        return verdict_of(guard, answer)
    end
    return nil, "it answers " .. status
end

-- Headers of the service take the place of what the client sent under their names, however it
-- spelt them, also where the service did not send them.
local function copy(guard, verdict, sent)
    local names = guard.response_headers
    if #names == 0 then
        return
    end
    local mine = {}
    for _, header in ipairs(names) do
        mine[wire.spelt(header.lower)] = true
    end
    for name in pairs(sent) do
        if mine[wire.spelt(name)] then
            ngx.req.clear_header(name)
        end
    end
    for i, header in ipairs(names) do
        local value = verdict.copied[i]
        if value and value ~= "" then
            ngx.req.set_header(header.name, value)
        end
    end
end

--- Takes the headers away that the service would have said.
---@param guard table
---@param request headgate.guarded
function _M.skip(guard, request)
    if not request.as then
        copy(guard, { copied = {} }, ngx.req.get_headers(0, true))
    end
end

local function pass(guard, verdict, sent)
    copy(guard, verdict, sent)
    local cookies = verdict.cookies
    if cookies and guard.always_set_cookie then
        ngx.header["Set-Cookie"] = cookies
    elseif cookies then
        ngx.ctx.auth_cookies = cookies
    end
end

local function refuse(guard, verdict, value_of)
    local headers = {}
    local cookies = verdict.cookies
    if verdict.status == 401 and guard.sign_in then
        headers["Set-Cookie"] = cookies
        local back = value_of("scheme") .. "://" .. value_of("http_host")
            .. value_of("request_uri")
        local url = wire.url(guard.sign_in, value_of)
        return 302, wire.sign_in(url, guard.sign_in_param, back), headers
    end
    headers["WWW-Authenticate"] = verdict.challenge
    if verdict.body then
        headers["Content-Type"] = verdict.content_type
        ngx.ctx.refusal = verdict.body
    end
    if guard.always_set_cookie then
        headers["Set-Cookie"] = cookies
    end
    return verdict.status, "the service that is asked lets it not pass", headers
end

-- A preflight carries no credentials (Fetch standard); it is answered here and goes no further.
local function is_preflight(guard)
    local rules = guard.cors
    local origin = rules and var.request_method == "OPTIONS" and var.http_origin
    return origin and cors.allows(rules, origin)
end

-- For explain: whether it could be asked, as far as the documents say.
local function judge_unasked(guard, request)
    if request.as.own or not (guard.backend or guard.path) then
        return
    end
    local secure = guard.scheme == "https" or (guard.scheme == "$scheme" and request.as.secure)
    local place, err = place_of(guard, request, guard.path, secure and "https" or "http")
    if place and place.backend.count == 0 then
        place, err = nil, "no peers"
    end
    if not place then
        return 503, guard.host .. " cannot be asked whether a request may pass: " .. err
    end
end

--- Judges the running request; explain's is let in, and nobody is asked.
---@param guard table of headgate.filters.external_auth
---@param request headgate.guarded
---@return integer? status nil: it may pass
---@return string? reason
---@return table<string, string|string[]>? headers
function _M.judge(guard, request)
    if request.as then
        return judge_unasked(guard, request)
    end
    if is_preflight(guard) then
        return
    end
    local value_of = values_of(request)
    local sent = ngx.req.get_headers(0, true)
    local key = guard.cache_key and cache_key(guard, request.host, value_of)
    local verdict = key and cache.get(key, now())
    if verdict then
        outcomes.count(guard.host, "cached")
    else
        local err
        verdict, err = ask(guard, request, value_of, sent)
        if not verdict then
            outcomes.count(guard.host, "error")
            ngx.log(ngx.WARN, "cannot ask ", guard.host, " whether a request may pass: ", err)
            return 503, "the service that is asked cannot be understood"
        end
        outcomes.count(guard.host, verdict.status < 300 and "allowed" or "denied")
        if key then
            remember(guard, key, verdict)
        end
    end
    if verdict.status >= 200 and verdict.status < 300 then
        return pass(guard, verdict, sent)
    end
    return refuse(guard, verdict, value_of)
end

return _M
