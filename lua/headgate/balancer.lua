--- The balancer phase: a peer for each try of a request.

local balance = require("headgate.balance")
local balancer = require("ngx.balancer")
local limits = require("headgate.limits")
local peers = require("headgate.peers")
local round_robin = require("headgate.pickers.round_robin")
local store = require("headgate.store")

local next_peer = round_robin.next
local name_of = peers.name_of
local set_current_peer = balancer.set_current_peer
-- Not in lua-resty-core before 0.1.29: there, connections with a name of their own are not kept.
local enable_keepalive = balancer.enable_keepalive
local set_more_tries = balancer.set_more_tries
local set_timeouts = balancer.set_timeouts
local ngx = ngx
local var = ngx.var
local now = ngx.now
local max = math.max

local _M = {}

local function give_up(reason)
    ngx.log(ngx.WARN, reason)
    return ngx.exit(ngx.ERROR)
end

local function set_times(route)
    if var.hg_upgrade ~= "" then
        local seconds = limits.upgraded_timeout_s
        set_timeouts(route.connect_s, max(seconds, route.send_s), max(seconds, route.read_s))
    elseif route.own_timeouts then
        set_timeouts(route.connect_s, route.send_s, route.read_s)
    end
end

-- Connections whose handshake names the route's server are kept by address and name, all others by
-- nginx, by address.
local function connect(route, backend, index)
    local address, port = backend.addresses[index], backend.ports[index]
    local ok, err
    if route.named and enable_keepalive then
        ok, err = set_current_peer(address, port, var.hg_tls_name)
        if ok then
            ok, err = enable_keepalive(limits.named_idle_s, limits.named_requests_max)
        end
    else
        ok, err = set_current_peer(address, port)
    end
    if not ok then
        return give_up(err)
    end
end

local function pick(ctx, route, backend, tried)
    local way = route.balance
    if way then
        return balance.choose(ctx, way, backend, tried)
    end
    return next_peer(backend.picker, tried)
end

-- Which peers of the backend, as it is now, this request has asked.
local function tried_in(backend, asked)
    local tried = {}
    for index = 1, backend.count do
        tried[index] = asked[name_of(backend, index)]
    end
    return tried
end

local function retry(ctx, route)
    local asked = ctx.asked
    if not asked then
        asked = {}
        ctx.asked = asked
    end
    asked[name_of(ctx.backend, ctx.index)] = true
    ctx.tries = ctx.tries + 1
    if route.retry_s > 0 and now() - ctx.at > route.retry_s then
        return give_up("no further try: the time for tries is over")
    end
    local backend = store.get(store.backend, ctx.backend.id)
    if not backend or backend.broken or backend.count == 0 then
        return give_up("no further try: the backend has no peers any more")
    end
    local index = pick(ctx, route, backend, tried_in(backend, asked))
    if not index then
        -- nginx gives back a try that met a kept connection which the peer had just closed, and
        -- only so can there be more tries than peers. The connection failed then, not the peer.
        if ctx.tries > backend.count + limits.stale_connections_max then
            return give_up("no further try: every peer was asked")
        end
        ctx.asked = nil
        index = pick(ctx, route, backend)
    end
    ctx.backend, ctx.index = backend, index
    return connect(route, backend, index)
end

--- Runs the phase.
function _M.balance()
    local ctx = ngx.ctx
    local route, backend = ctx.route, ctx.backend
    if ctx.tries then
        return retry(ctx, route)
    end
    if now() ~= ctx.at then
        -- The body took its time; peers may have changed since.
        local current = store.get(store.backend, backend.id)
        if current and not current.broken and current.count > 0 then
            backend = current
            ctx.backend = current
        end
    end
    local index = pick(ctx, route, backend)
    ctx.tries = 1
    ctx.index = index
    local more = (route.tries < backend.count and route.tries or backend.count) - 1
    if more > 0 then
        set_more_tries(more)
    end
    set_times(route)
    return connect(route, backend, index)
end

return _M
