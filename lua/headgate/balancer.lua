--- The balancer phase: a peer for each try of a request.

local balance = require("headgate.balance")
local balancer = require("ngx.balancer")
local contexts = require("headgate.contexts")
local failure = require("headgate.health.failure")
local health = require("headgate.health")
local limits = require("headgate.limits")
local peers = require("headgate.peers")
local retry_budget = require("headgate.health.retry_budget")
local round_robin = require("headgate.pickers.round_robin")
local slow_start = require("headgate.health.slow_start")
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

-- What nginx's own balancers say when no peer is left; the client gets 502 and not 500.
local BUSY = -3

local function give_up(reason, code)
    ngx.log(ngx.WARN, reason)
    return ngx.exit(code or ngx.ERROR)
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

local function by_way(ctx, route, backend, barred)
    local way = route.balance
    if way then
        return balance.choose(ctx, way, backend, barred)
    end
    return next_peer(backend.picker, barred)
end

-- Those that were tried and those that are out; but for `free`.
local function joined(backend, tried, mask, free)
    if not tried and not free then
        return mask
    end
    local barred = {}
    for index = 1, backend.count do
        barred[index] = index ~= free and (mask[index] or tried and tried[index]) or nil
    end
    return barred
end

local function all_but(backend, index)
    local barred = {}
    for other = 1, backend.count do
        barred[other] = other ~= index or nil
    end
    return barred
end

-- What nginx would not send to another peer after a failure.
local UNSAFE = { POST = true, PATCH = true, LOCK = true }

-- The peer whose back-off is over, if this request shall be the one that tries it. A way that is
-- sticky leads where it leads: its request tries the peer only when that is its own.
local function probe(ctx, route, backend, tried, mask)
    local index = health.claim(backend, route.tries > 1 and not UNSAFE[var.request_method])
    if not index then
        return nil
    end
    local barred
    if route.balance and route.balance.sticky then
        barred = joined(backend, tried, mask, index)
    else
        barred = all_but(backend, index)
    end
    local picked = not (tried and tried[index]) and by_way(ctx, route, backend, barred)
    if picked == index then
        ctx.probe = true
        return index
    end
    health.release(backend, index)
    return picked or nil
end

-- Where some peers are out, or new. Those that are out come last, but before none: they may be well
-- by now. So do all where too many are out.
local function pick_among(ctx, route, backend, tried)
    local known = backend.health
    local mask = known and known.mask
    local index = mask and probe(ctx, route, backend, tried, mask)
    local barred = mask and joined(backend, tried, mask) or tried
    if not index and backend.young and not (route.balance and route.balance.sticky) then
        index = by_way(ctx, route, backend, slow_start.hold_back(backend, barred))
    end
    if not index and mask then
        index = by_way(ctx, route, backend, barred)
    end
    if not index then
        index = by_way(ctx, route, backend, tried)
        ctx.probe = index and known and known.is_out[index] or nil
    end
    return index
end

local function pick(ctx, route, backend, tried)
    if backend.looked ~= backend.checked then
        health.look(backend)
    end
    local known = backend.health
    if backend.young or (known and known.out > 0) then
        return pick_among(ctx, route, backend, tried)
    end
    return by_way(ctx, route, backend, tried)
end

-- Which peers of the backend, as it is now, this request has asked.
local function tried_in(backend, asked)
    local tried = {}
    for index = 1, backend.count do
        tried[index] = asked[name_of(backend, index)]
    end
    return tried
end

local function note_failure(ctx)
    local cause = failure.of_try_before()
    if cause then
        health.failed(ctx, ctx.backend, ctx.index, cause)
    elseif ctx.probe then
        ctx.probe = nil
        health.release(ctx.backend, ctx.index)
    end
end

local function retry(ctx, route)
    local asked = ctx.asked
    if not asked then
        asked = {}
        ctx.asked = asked
    end
    note_failure(ctx)
    asked[name_of(ctx.backend, ctx.index)] = true
    -- Until there is another peer, nothing that follows is a peer's doing.
    ctx.index = nil
    ctx.tries = ctx.tries + 1
    if not (ctx.once or retry_budget.take(ctx.backend.budget, now())) then
        return give_up("no further try: too many requests of this backend were retried", BUSY)
    end
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
    ctx.backend, ctx.index, ctx.asked_at = backend, index, now()
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
    contexts.keep(ctx)
    local index = pick(ctx, route, backend)
    ctx.tries = 1
    ctx.index = index
    ctx.asked_at = now()
    local budget = backend.budget
    budget.asked = budget.asked + 1
    local more = (route.tries < backend.count and route.tries or backend.count) - 1
    if more > 0 then
        if budget.spent and retry_budget.is_spent(budget, now()) then
            -- nginx answers with what the first try gave. Only a kept connection that the peer had
            -- closed is tried again, which is nginx's own affair.
            ctx.once = true
        else
            set_more_tries(more)
        end
    end
    set_times(route)
    return connect(route, backend, index)
end

return _M
