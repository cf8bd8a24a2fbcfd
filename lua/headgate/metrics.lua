--- Counters of all workers, and their Prometheus text.

local access_names = require("headgate.metrics.access_names")
local balance = require("headgate.balance")
local clients = require("headgate.guards.clients")
local connections = require("headgate.guards.connections")
local contexts = require("headgate.contexts")
local guards = require("headgate.guards")
local health = require("headgate.health")
local hits = require("headgate.metrics.hits")
local labels = require("headgate.metrics.metric_labels")
local limits = require("headgate.limits")
local outcomes = require("headgate.auth.outcomes")
local peer_report = require("headgate.health.peer_report")
local series = require("headgate.metrics.series")
local service_metrics = require("headgate.metrics.service_metrics")
local service_series = require("headgate.metrics.service_series")
local store = require("headgate.store")

local take_context = contexts.take
local format, match = string.format, string.match
local log_service = service_metrics.log
local ngx = ngx
local now = ngx.now
local start_time = ngx.req.start_time
local dict = ngx.shared.headgate_metrics

-- Our own end of an answer that is no HTTP; what is greater and below 499 no backend gives.
local HTTP_CLOSE = 444

local _M = { names = false }

local unrouted = series.of("//")

local function add(key, amount)
    local value, err = dict:incr(key, amount)
    if not value and err == "not found" then
        -- Never safe_set or incr with init: those would throw out other counters for a new one.
        if dict:safe_add(key, 0) then
            value = dict:incr(key, amount)
        end
    end
    if value then
        dict:expire(key, limits.series_ttl_s)
    else
        dict:incr("dropped", 1)
    end
end

--- Runs the log phase.
function _M.log()
    local ctx = take_context() or ngx.ctx
    if ctx.taken then
        balance.done(ctx.taken)
    end
    if ctx.in_flight then
        connections.leave(ctx.in_flight)
    end
    local status, backend = ngx.status, ctx.backend
    if backend and (status >= HTTP_CLOSE or backend.health) then
        health.done(ctx, status)
    end
    local seconds = now() - start_time()
    if ctx.asked_at then
        log_service(ctx, backend, seconds)
    end
    local counted = ctx.series or unrouted
    series.count(counted, status, seconds)
    if _M.names then
        access_names.set(counted.label, backend)
    end
end

local function is_backend(id)
    return store.is_held(store.backend, id)
end

--- Adds this worker's counts to those of all: those of Services in turns, unless all are wanted.
---@param all boolean?
function _M.flush(all)
    hits.flush()
    series.flush(add)
    service_series.flush(add, is_backend, all)
    health.flush(add)
    outcomes.flush(add)
    if clients.evictions > 0 then
        add("evictions", clients.evictions)
        clients.evictions = 0
    end
    guards.flush(add)
end

--- Forgets series that no decoded route has.
function _M.sweep()
    local in_use = { [unrouted.label] = true }
    for _, route in pairs(store.route.cache) do
        if route.label then
            in_use[route.label] = true
        end
        for _, choice in ipairs(route.split and route.split.choices or {}) do
            in_use[choice.route.label] = true
        end
    end
    series.keep(in_use)
    service_series.keep(store.backend.cache)
end

--- Counts the result of a push.
---@param result string
function _M.pushed(result)
    add("push " .. result, 1)
end

--- Makes the counters that must never be missing.
function _M.prepare()
    dict:safe_add("dropped", 0)
    dict:safe_add("evictions", 0)
end

--- Deletes what is counted of Ingresses and Services that are gone. Twice after each deletion of a
-- document: the last requests of a route may end after the first time.
function _M.drop_gone()
    local deletions = store.deletions()
    local done = dict:get("dropped gone")
    if done == 2 * deletions + 1 then
        return
    end
    local ingresses = {}
    for _, route in ipairs(store.list("route")) do
        ingresses[match(route.key, "^[^/]*/[^/]*")] = true
    end
    for _, key in ipairs(dict:get_keys(0)) do
        local ingress = match(key, "^requests %d ([^/]+/[^/]+)/")
            or match(key, "^seconds ([^/]+/[^/]+)/")
        local _, _, id = service_series.read_key(key)
        local route = hits.read_key(key)
        if (ingress and not ingresses[ingress])
            or (id and not store.is_held(store.backend, id))
            or (route and not store.is_held(store.route, route))
        then
            dict:delete(key)
        end
    end
    dict:set("dropped gone", done == 2 * deletions and 2 * deletions + 1 or 2 * deletions)
end

local function histogram(out)
    local name = "headgate_request_duration_seconds"
    out[#out + 1] = "# HELP " .. name .. " Time from the first byte of a request to its end."
    out[#out + 1] = "# TYPE " .. name .. " histogram"
    local total = 0
    for i, bound in ipairs(series.BUCKETS) do
        total = total + (dict:get("bucket " .. i) or 0)
        out[#out + 1] = format('%s_bucket{le="%s"} %d', name, tostring(bound), total)
    end
    total = total + (dict:get("bucket " .. (#series.BUCKETS + 1)) or 0)
    out[#out + 1] = format('%s_bucket{le="+Inf"} %d', name, total)
    out[#out + 1] = format("%s_sum %s", name, labels.number(dict:get("bucket sum") or 0))
    out[#out + 1] = format("%s_count %d", name, total)
end

local function by_route(out, keys)
    local requests, seconds, pushes, asked, refused = {}, {}, {}, {}, {}
    for _, key in ipairs(keys) do
        local value = dict:get(key) or 0
        local class, rest = match(key, "^requests (%d) (.*)$")
        if class then
            requests[#requests + 1] = format('headgate_requests_total{%s,code="%sxx"} %s',
                labels.of_route(rest), class, labels.number(value))
        end
        rest = match(key, "^seconds (.*)$")
        if rest then
            seconds[#seconds + 1] = format("headgate_request_seconds_total{%s} %s",
                labels.of_route(rest), labels.number(value))
        end
        rest = match(key, "^push (.*)$")
        if rest then
            pushes[#pushes + 1] = format('headgate_pushed_documents_total{result="%s"} %s',
                rest, labels.number(value))
        end
        asked[#asked + 1] = outcomes.line(key, value)
        local guard, status = match(key, "^refused (%S+) (%d+)$")
        if guard then
            refused[#refused + 1] = format(
                'headgate_refused_requests_total{guard="%s",status="%s"} %s',
                guard, status, labels.number(value))
        end
    end
    local function block(name, help, lines)
        out[#out + 1] = "# HELP " .. name .. " " .. help
        out[#out + 1] = "# TYPE " .. name .. " counter"
        for _, line in ipairs(lines) do
            out[#out + 1] = line
        end
    end
    block("headgate_requests_total", "Answers by Ingress, Service and status class.", requests)
    block("headgate_request_seconds_total", "Time these requests took.", seconds)
    block("headgate_pushed_documents_total", "Lines of pushes by result.", pushes)
    block("headgate_external_auth_total", "Requests by what a service said of them.", asked)
    block("headgate_refused_requests_total", "Requests that a guard kept out.", refused)
end

local function by_backend(out, keys)
    out[#out + 1] = "# HELP headgate_peer_ejections_total Times that a peer was ejected."
    out[#out + 1] = "# TYPE headgate_peer_ejections_total counter"
    for _, key in ipairs(keys) do
        local id = match(key, "^ejections (.*)$")
        if id then
            out[#out + 1] = format("headgate_peer_ejections_total{%s} %d", labels.of_backend(id),
                dict:get(key) or 0)
        end
    end
    out[#out + 1] = "# HELP headgate_peers_ejected Peers of a Service that are ejected now."
    out[#out + 1] = "# TYPE headgate_peers_ejected gauge"
    for _, id in ipairs(peer_report.troubled_ids()) do
        out[#out + 1] = format("headgate_peers_ejected{%s} %d", labels.of_backend(id),
            peer_report.ejected(id))
    end
end

local function memory_of(out, name, shared)
    out[#out + 1] = format('headgate_shared_memory_bytes{dict="%s",state="capacity"} %d',
        name, shared:capacity())
    out[#out + 1] = format('headgate_shared_memory_bytes{dict="%s",state="free"} %d',
        name, shared:free_space())
end

--- Everything as Prometheus text.
---@return string
function _M.text()
    _M.drop_gone()
    local out, keys = {}, dict:get_keys(0)
    table.sort(keys)
    by_route(out, keys)
    by_backend(out, keys)
    histogram(out)
    service_metrics.write(out, keys, function(key)
        return dict:get(key)
    end)
    local summary = store.summary()
    out[#out + 1] = "# HELP headgate_documents Documents held, by kind."
    out[#out + 1] = "# TYPE headgate_documents gauge"
    for kind, held in pairs(summary.kinds) do
        out[#out + 1] = format('headgate_documents{kind="%s"} %d', kind, held.count)
    end
    out[#out + 1] = "# HELP headgate_shared_memory_bytes Size of a shared dict, and what is free."
    out[#out + 1] = "# TYPE headgate_shared_memory_bytes gauge"
    for _, name in ipairs({
        "documents", "versions", "metrics", "health", "load", "limits", "connections",
    }) do
        local shared = ngx.shared["headgate_" .. name]
        if shared then
            memory_of(out, name, shared)
        end
    end
    out[#out + 1] = "# HELP headgate_metrics_dropped_total Counts lost for want of memory."
    out[#out + 1] = "# TYPE headgate_metrics_dropped_total counter"
    out[#out + 1] = format("headgate_metrics_dropped_total %d", dict:get("dropped") or 0)
    out[#out + 1] = "# HELP headgate_limit_evictions_total Counts of clients that went before their"
        .. " time, for want of memory."
    out[#out + 1] = "# TYPE headgate_limit_evictions_total counter"
    out[#out + 1] = format("headgate_limit_evictions_total %d", dict:get("evictions") or 0)
    return table.concat(out, "\n") .. "\n"
end

return _M
