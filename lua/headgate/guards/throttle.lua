--- Counts the requests of clients, for the guard by number. All workers share the counts.
-- Requests in a time are held to the generic cell rate algorithm: one number per client, the time
-- at which all that it has sent would be due at its rate, and by how much that may be ahead.

local clients = require("headgate.guards.clients")
local connections = require("headgate.guards.connections")
local contexts = require("headgate.contexts")
local limit = require("headgate.filters.limit")
local networks = require("headgate.networks")

local ceil, max = math.ceil, math.max
local contains = networks.contains
local client_key = clients.key
local tostring = tostring
local ngx = ngx
local now = ngx.now
local dict = ngx.shared.headgate_limits

local _M = {}

-- Takes a place for a request. Added up before it is looked at, so that of two workers each sees
-- the other's. Nil where there is one, else the seconds until there is.
local function take(rate, key, at)
    local increment = rate.increment
    local due, _, forcible = dict:incr(key, increment, at, increment + 1)
    if forcible or not due then
        clients.evictions = clients.evictions + 1
    end
    if not due then
        return 1
    end
    if due < at + increment then
        clients.keep(dict, key, at + increment, increment + 1)
        return nil
    end
    local ahead = due - at - increment
    if ahead > rate.tolerance + 1e-6 then
        dict:incr(key, -increment)
        return ahead - rate.tolerance
    end
    dict:expire(key, due - at + 1)
    return nil
end

local function refuse(guard, reason, wait_s)
    return guard.status, reason, { ["Retry-After"] = tostring(max(1, ceil(wait_s))) }
end

local function judge(guard, request)
    if request.as then
        return
    end
    local client = request.client
    if guard.exempt and client and contains(guard.exempt, client) then
        return
    end
    local name = client_key(client)
    local rates = guard.rates
    local at = now()
    for i = 1, #rates do
        local wait = take(rates[i], rates[i].prefix .. name, at)
        if wait then
            for j = 1, i - 1 do
                dict:incr(rates[j].prefix .. name, -rates[j].increment)
            end
            return refuse(guard, "too many requests of this client", wait)
        end
    end
    if guard.connections == 0 then
        return
    end
    local key = guard.prefix .. name
    local count = connections.enter(key)
    if not count then
        return refuse(guard, "no memory to count this client's requests", 1)
    end
    if count > guard.connections then
        connections.leave(key)
        return refuse(guard, "too many requests of this client at a time", 1)
    end
    local ctx = ngx.ctx
    ctx.in_flight = key
    -- A guard behind this one may still answer by an error page.
    contexts.keep(ctx)
end

--- Puts itself behind the guards that are prepared from then on.
function _M.init()
    limit.judge = judge
end

return _M
