--- The server_rewrite phase: host, route and backend of a request, then the jump to its profile.
-- It runs for every request of a client and ends each of them by an answer or by the jump, so a
-- client that asks for a profile's own path is routed like any other.

local affinity = require("headgate.affinity")
local contexts = require("headgate.contexts")
local fallback = require("headgate.fallback")
local guards = require("headgate.guards")
local hits = require("headgate.metrics.hits")
local hosts = require("headgate.hosts")
local https = require("headgate.https")
local networks = require("headgate.networks")
local outgoing = require("headgate.outgoing")
local paths = require("headgate.paths")
local preflight = require("headgate.preflight")
local redirect = require("headgate.filters.redirect")
local refusal = require("headgate.refusal")
local rewrite = require("headgate.filters.rewrite")
local router = require("headgate.router")
local split = require("headgate.split")
local store = require("headgate.store")
local strict = require("headgate.strict")

local byte = string.byte
local pcall = pcall
local random = math.random
local changes, get_at = store.changes, store.get_at
local match = router.match
local note_hit = hits.note
local BACKEND, HOST, ROUTE = store.backend, store.host, store.route

local ngx = ngx
local var = ngx.var
local now = ngx.now
local is_internal = ngx.req.is_internal
local set_uri = ngx.req.set_uri

local SLASH = 47

local _M = { access_log = true }

-- The number of changes when this decision began: asked for once, it stands for all documents.
local seen

local function get(of, id)
    return get_at(of, id, seen)
end

local function route_of(key)
    local route = get(ROUTE, key)
    if not route then
        return nil, 503, "route " .. key .. " is missing"
    end
    if route.broken then
        return nil, 503, route.broken
    end
    return route
end

-- The route of a path in a host, or of the fallbacks.
local function route_in(host, path)
    local key, how, matched, err = match(host, path)
    if err then
        return nil, 503, err, how, matched
    end
    if not key then
        key, how = host.fallback, "fallback"
        if key == "" and host.id ~= "_" then
            local default = get(HOST, "_")
            if default and default.broken then
                return nil, 503, default.broken
            end
            key, how = default and default.fallback or "", "default"
        end
        if key == "" then
            return nil, 404, "no path of this host matches"
        end
    end
    local route, status, reason = route_of(key)
    return route, status, reason, how, matched
end

local function backend_with_peers(key)
    local backend = get(BACKEND, key)
    if not backend then
        return nil, 503, "backend " .. key .. " is missing"
    end
    if backend.broken then
        return nil, 503, backend.broken
    end
    if backend.count == 0 then
        return nil, 503, "backend " .. key .. " has no peers"
    end
    return backend
end

-- The backend of a route and the route that serves it, and why it is that one where there are more.
local function backend_of(route, as)
    if route.split and route.backend then
        local bound = not as and affinity.bound(route) or nil
        return split.choose(route, as, backend_with_peers, bound)
    end
    local key = route.backend
    if not key then
        local at = route.choices_total > 0 and random(route.choices_total) or 0
        for _, choice in ipairs(route.choices) do
            at = at - choice.weight
            if at <= 0 and choice.weight > 0 then
                key = choice.backend
                break
            end
        end
        if not key then
            return nil, 503, "route without backend"
        end
    end
    local backend, status, reason = backend_with_peers(key)
    return backend, backend and route or status, reason
end

---@class headgate.request.as whose request it would be, for explain
---@field secure boolean whether the listener speaks TLS
---@field client string|false|nil bytes of its address, false for none; nil: guards are left out
---@field headers table<string, string>? by name in lower case
---@field own boolean? by a guard of another request, which asks here: guards ask nobody

-- A request as the guards of its route see it.
local function guarded(name, path, uri, as)
    local client
    if as then
        client = as.client
    else
        client = networks.client(var.binary_remote_addr)
    end
    return { host = name, path = path, uri = uri, client = client, as = as }
end

-- The answer of a route that sends all its requests elsewhere.
local function sent_on(route, name, path, uri, as)
    local to = route.filters.redirect
    local scheme = https.is_secure(as) and "https" or "http"
    local about = { scheme = scheme, host = name, path = path, uri = uri }
    return nil, to.code, redirect.location(to, about), route
end

-- The backend of a route and the URI that it is sent.
local function onward(route, path, uri, as)
    local backend, served, why = backend_of(route, as)
    local filters = route.filters
    if not backend then
        local instead = filters and filters.errors and fallback.backend(filters.errors, get)
        if not instead then
            return nil, served, why, route
        end
        return route, uri, instead, served
    end
    if filters and filters.rewrite then
        local status, reason
        uri, status, reason = rewrite.apply(filters.rewrite, path, uri)
        if not uri then
            return nil, status, reason, route
        end
    end
    return served, uri, backend, nil, why
end

--- Where a request goes. For the request path and for explain: it changes nothing.
---@param name string host, lower case, without port
---@param path string decoded and normalised
---@param uri string as the client wrote it
---@param as headgate.request.as? nil: the running request
---@return table? route
---@return integer|string status_or_uri with a route the URI to be sent, else the status
---@return table|string backend_or_reason with a route its backend, else why, or where to for 30x
---@return table|integer? refused without a route: the one that was chosen; with one: the backend is
---  the default one, for this error
---@return table<string, string>|string|nil headers_or_why without a route: headers of the answer;
---  with one: why it is this Service, where the route has several
function _M.decide(name, path, uri, as)
    seen = changes()
    local decider, host, exact = hosts.table_of(name, seen)
    if not decider then
        return nil, host, exact
    end
    local status, reason
    if decider.strict then
        uri, status, reason = strict.uri(decider, path, uri)
        if not uri then
            return nil, status, reason
        end
    end
    local route
    route, status, reason = route_in(decider, path)
    if not route then
        return nil, status, reason
    end
    if route.closed then
        return nil, 503, route.closed, route
    end
    local filters = route.filters
    local request, asking, headers
    if filters then
        asking = filters.asking
        request = (filters.guards or asking) and guarded(name, path, uri, as)
        if filters.guards then
            status, reason, headers = guards.judge(filters.guards, request)
            if status then
                return nil, status, reason, route, headers
            end
        end
        if filters.redirect and not asking then
            return sent_on(route, name, path, uri, as)
        end
    end
    if https.wants(route, path, as)
        and (route.always_redirects or https.has_certificate(name, host, exact, seen))
    then
        return nil, https.redirect_code, https.location(name, uri), route
    end
    if asking then
        -- A browser asks without credentials whether it may ask with them.
        if filters.cors and not as and preflight.share(ngx.ctx, filters.cors) then
            return nil, 204, "a preflight", route
        end
        status, reason, headers = guards.judge(asking, request)
        if status then
            return nil, status, reason, route, headers
        end
        if filters.redirect then
            return sent_on(route, name, path, uri, as)
        end
    end
    if path == "/" and filters and filters.app_root then
        return nil, 302, filters.app_root, route
    end
    return onward(route, path, uri, as)
end

--- How explain tells the match: the same steps, with names.
---@param name string
---@param path string
---@return table? host
---@return string? how
---@return string? matched
---@return table? route
function _M.trace(name, path)
    seen = changes()
    local host = hosts.document(name, seen)
    if not host or host.broken then
        return host
    end
    local decider = hosts.deciding(host, seen)
    if not decider then
        return host
    end
    local route, _, _, how, matched = route_in(decider, path)
    return host, how, matched, route
end

-- Whoever answers it, the request is this route's.
local function count_for(ctx, route)
    note_hit(route)
    ctx.series = route.series
    if _M.access_log then
        var.hg_route = route.label
    end
end

local function handle(ctx)
    local name, raw_name, uri = var.host, var.http_host, var.request_uri
    if raw_name ~= name and (not raw_name or paths.host_of(raw_name) ~= name) then
        return 400, "Host and request line disagree"
    end
    if is_internal() or byte(uri) ~= SLASH then
        return 400, "not a request of a client"
    end
    if _M.ensure_trace then
        _M.ensure_trace()
    end
    local path = var.uri
    local route, sent, backend, refused, headers = _M.decide(name, path, uri)
    local hsts = https.strict_transport(name, seen)
    if hsts then
        var.hg_hsts = hsts
    end
    if not route then
        if refused then
            count_for(ctx, refused)
            contexts.keep(ctx)
        end
        if headers then
            for header, value in pairs(headers) do
                ngx.header[header] = value
            end
        end
        if ctx.origin then
            preflight.mark(ctx)
        end
        return sent, backend
    end
    count_for(ctx, route)
    ctx.route = route
    ctx.backend = backend
    ctx.at = now()
    if refused then
        return fallback.turn(ctx, route.filters.errors, backend, refused, sent)
    end
    if route.grpc then
        outgoing.set_grpc_path(path, uri, sent)
    else
        var.hg_target = route.spread and backend.upstream .. sent or sent
    end
    local filters = route.filters
    if filters then
        local status, reason = outgoing.equip(ctx, filters, path)
        if status then
            return status, reason
        end
        if filters.cors then
            return preflight.share(ctx, filters.cors)
        end
    end
end

--- Runs the phase.
function _M.rewrite()
    local ctx = ngx.ctx
    local ok, status, reason = pcall(handle, ctx)
    if not ok then
        store.report("requests of " .. (var.host or "-") .. " fail: " .. tostring(status))
        return ngx.exit(503)
    end
    if not status then
        -- Outside of the pcall: the compiler does not know it, and would give up on all of it.
        set_uri(ctx.route.jump, false)
        return
    end
    if status >= 300 and status < 400 then
        return ngx.redirect(reason, status)
    end
    if status ~= 404 then
        ngx.log(ngx.INFO, reason)
    end
    if ctx.refusal then
        return refusal.say(status, ctx.refusal)
    end
    if ctx.series then
        contexts.keep(ctx)
    end
    return ngx.exit(status)
end

return _M
