--- Documents as a request wants them: what can be done once per change is done here.

local affinity = require("headgate.filters.affinity")
local basic_auth = require("headgate.filters.basic_auth")
local filters = require("headgate.filters")
local regex = require("headgate.regex")
local retry_budget = require("headgate.health.retry_budget")
local router = require("headgate.router")
local round_robin = require("headgate.pickers.round_robin")
local problems = require("headgate.problems")
local series = require("headgate.metrics.series")
local split = require("headgate.split")

local find = string.find
local random = math.random

local _M = {
    UNKNOWN_PROFILE = "profile: not in the running configuration",
    UNKNOWN_POLICY = "filters: a policy that is not in the running configuration",
    profiles = {},
    -- Of client certificates: name → true.
    policies = {},
    upstreams = 1,
    -- Those of the profiles; a route that has them needs no set_timeouts.
    timeouts = { connect_ms = 5000, send_ms = 60000, read_ms = 60000 },
}

---@class headgate.profile
---@field grpc boolean nginx's gRPC module speaks to the backend
---@field spread boolean its backends are spread over the upstream blocks of plain HTTP
---@field named boolean the server name in the handshake with the backend is the route's

--- Sets which profiles the running configuration has.
---@param profiles table<string, headgate.profile> by name
function _M.set_profiles(profiles)
    _M.profiles = profiles
end

--- A backend: addresses as the balancer takes them, a picker, and its upstream block. There are
-- several upstream blocks because nginx looks through all kept connections of a block one by one.
---@param value table
---@param id string
---@return table
function _M.backend(value, id)
    local addresses = {}
    for i, address in ipairs(value.addresses) do
        addresses[i] = find(address, ":", 1, true) and "[" .. address .. "]" or address
    end
    return {
        count = #addresses,
        addresses = addresses,
        ports = value.ports,
        weights = value.weights,
        slow_start_s = value.slow_start_s,
        -- One block alone stands in the configuration by its name.
        upstream = _M.upstreams > 1 and ngx.crc32_short(id) % _M.upstreams .. "-headgate" or "",
        budget = retry_budget.of(id),
        picker = round_robin.new(value.weights, random(0, 1073741823)),
    }
end

-- Without its reload yet, or without room for it, the profile of a variant itself serves.
local function jump_of(profile, variant)
    return variant and _M.profiles[variant] and variant or profile
end

-- How the peers of a route are picked where it is not in turn.
local function way_of(pin, base, key)
    if pin then
        return affinity.way(pin, base, key, ngx.md5)
    end
    return base
end

-- Shares the requests of a route among several Services.
local function share(route, shared, value)
    local namespace = value.namespace
    route.split = shared
    local pin = route.filters.affinity
    pin = pin and pin.sticky_canaries and pin
    return split.derive(route, shared, function(choice)
        local profile = _M.profiles[choice.profile]
        if not profile then
            return nil, _M.UNKNOWN_PROFILE
        end
        -- Of the Ingress that has the path: by its documents it is told which series are gone.
        local label = namespace .. "/" .. value.ingress .. "/" .. choice.service
        if choice.broken then
            problems.report("Ingress " .. namespace .. "/" .. choice.ingress
                .. " gets no traffic: " .. choice.broken)
        end
        return {
            jump = "/" .. jump_of(choice.profile, choice.variant),
            profile = choice.profile,
            grpc = profile.grpc,
            spread = profile.spread,
            named = profile.named,
            balance = way_of(pin, choice.balance, choice.backend) or false,
            backend = choice.backend,
            label = label,
            series = series.of(label),
        }
    end)
end

-- What of a route keeps requests out, by itself.
local function strictness(value, prepared)
    return {
        closed = value.closed ~= "" and value.closed or nil,
        guards = prepared and prepared.guards,
        asking = prepared and prepared.asking,
    }
end

--- A route: its profile's URI, its times in seconds, its series of counters.
---@param value table
---@param id string?
---@return table? route
---@return string? err
---@return table? asked where its policy is not known, the client certificate it asks for; where a
---  profile is not, what keeps requests out
function _M.route(value, id)
    local prepared, err = filters.compile(value.filters, regex)
    if err then
        return nil, err
    end
    local profile = _M.profiles[value.profile]
    local certificate = prepared and prepared.client_certificate
    if certificate and not (profile and _M.policies[certificate.policy]) then
        return nil, _M.UNKNOWN_POLICY, certificate
    end
    if not profile then
        return nil, _M.UNKNOWN_PROFILE, strictness(value, prepared)
    end
    local total = 0
    for _, choice in ipairs(value.backends) do
        total = total + choice.weight
    end
    local timeouts = value.timeouts
    local own_timeouts = timeouts.connect_ms ~= _M.timeouts.connect_ms
        or timeouts.send_ms ~= _M.timeouts.send_ms
        or timeouts.read_ms ~= _M.timeouts.read_ms
    local label = value.namespace .. "/" .. value.ingress .. "/" .. value.service
    local backend = #value.backends == 1 and total > 0 and value.backends[1].backend or nil
    local route = {
        -- Here already: the routes of a split are copies, and are noted as this one.
        id = id,
        jump = "/" .. jump_of(value.profile, prepared and prepared.variant),
        profile = value.profile,
        grpc = profile.grpc,
        spread = profile.spread,
        named = profile.named,
        closed = value.closed ~= "" and value.closed or nil,
        redirects = value.ssl_redirect ~= "never",
        always_redirects = value.ssl_redirect == "always",
        filters = prepared,
        balance = prepared and way_of(prepared.affinity, prepared.balance, backend),
        path = value.path,
        backend = backend,
        choices = value.backends,
        choices_total = total,
        own_timeouts = own_timeouts,
        connect_s = timeouts.connect_ms / 1000,
        send_s = timeouts.send_ms / 1000,
        read_s = timeouts.read_ms / 1000,
        tries = value.retry.tries,
        retry_s = value.retry.timeout_ms / 1000,
        label = label,
        series = series.of(label),
    }
    err = prepared and prepared.split and share(route, prepared.split, value)
    if err then
        return nil, err, strictness(value, prepared)
    end
    return route
end

--- Whether a route goes on while the reload that its next version needs is on its way. Where that
-- version asks for client certificates, only a route that asks for them as strictly already.
---@param before table the route as it was
---@param problem string? why its next version cannot be used
---@param next_certificate headgate.client_certificate? of that version
---@return boolean
function _M.stands_in(before, problem, next_certificate)
    if problem ~= _M.UNKNOWN_POLICY or not next_certificate then
        return problem == _M.UNKNOWN_PROFILE
    end
    local certificate = before.filters and before.filters.client_certificate
    return certificate ~= nil and (certificate.needed or not next_certificate.needed)
        and certificate.match == next_certificate.match
end

local function copy(of)
    local made = {}
    for name, value in pairs(of or {}) do
        made[name] = value
    end
    return made
end

--- The route that stands in for its next version, which needs a reload: as it was, but for what
-- keeps requests out, which holds at once.
---@param before table
---@param strict table? of the next version; nil: as it was
---@return table route
function _M.stand_in(before, strict)
    if not strict or not (strict.closed or strict.guards or strict.asking) then
        return before
    end
    local route = copy(before)
    route.closed = strict.closed or before.closed
    route.filters = copy(before.filters)
    route.filters.guards, route.filters.asking = strict.guards, strict.asking
    return route
end

--- A host: its match table. A pattern that cannot be compiled costs the paths that come to it, and
-- not the host: one of several Ingresses wrote it.
---@param value table
---@return headgate.host
function _M.host(value)
    return router.compile(value, regex)
end

--- A server name: the certificate it gets, nil for the default one, and one of another key type.
---@param value table
---@return table
function _M.server_name(value)
    return {
        certificate = value.certificate ~= "" and value.certificate or nil,
        second = value.second,
    }
end

--- Users and their password hashes.
_M.users = basic_auth.new_users

--- A certificate: parsed at its first handshake, for most workers never see most of them.
---@param value table
---@return table
function _M.certificate(value)
    return { certificate = value.certificate, key = value.key }
end

return _M
