--- Counters of all workers, and their Prometheus text.

local balance = require("headgate.balance")
local contexts = require("headgate.contexts")
local health = require("headgate.health")
local limits = require("headgate.limits")
local peer_report = require("headgate.peer_report")
local series = require("headgate.series")
local store = require("headgate.store")

local take_context = contexts.take
local format, match, gsub = string.format, string.match, string.gsub
local ngx = ngx
local now = ngx.now
local start_time = ngx.req.start_time
local dict = ngx.shared.headgate_metrics

-- Our own end of an answer that is no HTTP; what is greater and below 499 no backend gives.
local HTTP_CLOSE = 444

local _M = {}

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
    local status, backend = ngx.status, ctx.backend
    if backend and (status >= HTTP_CLOSE or backend.health) then
        health.done(ctx, status)
    end
    series.count(ctx.series or unrouted, status, now() - start_time())
end

--- Adds this worker's counts to those of all.
function _M.flush()
    series.flush(add)
    health.flush(add)
end

--- Forgets series that no decoded route has.
function _M.sweep()
    local in_use = { [unrouted.label] = true }
    for _, route in pairs(store.route.cache) do
        if route.label then
            in_use[route.label] = true
        end
    end
    series.keep(in_use)
end

--- Counts the result of a push.
---@param result string
function _M.pushed(result)
    add("push " .. result, 1)
end

--- Makes the counters that must never be missing.
function _M.prepare()
    dict:safe_add("dropped", 0)
end

local function label(value)
    return (gsub(value, '[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function labels_of(key)
    local namespace, ingress, service = match(key, "^([^/]*)/([^/]*)/([^/]*)$")
    return format('namespace="%s",ingress="%s",service="%s"',
        label(namespace or ""), label(ingress or ""), label(service or ""))
end

local function number(value)
    return value % 1 == 0 and format("%d", value) or format("%.6f", value)
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
    out[#out + 1] = format("%s_sum %s", name, number(dict:get("bucket sum") or 0))
    out[#out + 1] = format("%s_count %d", name, total)
end

local function by_route(out)
    local requests, seconds, pushes = {}, {}, {}
    local keys = dict:get_keys(0)
    table.sort(keys)
    for _, key in ipairs(keys) do
        local value = dict:get(key) or 0
        local class, rest = match(key, "^requests (%d) (.*)$")
        if class then
            requests[#requests + 1] = format('headgate_requests_total{%s,code="%sxx"} %s',
                labels_of(rest), class, number(value))
        end
        rest = match(key, "^seconds (.*)$")
        if rest then
            seconds[#seconds + 1] = format("headgate_request_seconds_total{%s} %s",
                labels_of(rest), number(value))
        end
        rest = match(key, "^push (.*)$")
        if rest then
            pushes[#pushes + 1] = format('headgate_pushed_documents_total{result="%s"} %s',
                rest, number(value))
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
end

local function backend_labels(id)
    local namespace, service, port = match(id, "^([^/]*)/([^/]*)/([^/]*)$")
    return format('namespace="%s",service="%s",port="%s"',
        label(namespace or ""), label(service or ""), label(port or ""))
end

local function by_backend(out)
    out[#out + 1] = "# HELP headgate_peer_ejections_total Times that a peer was ejected."
    out[#out + 1] = "# TYPE headgate_peer_ejections_total counter"
    local keys = dict:get_keys(0)
    table.sort(keys)
    for _, key in ipairs(keys) do
        local id = match(key, "^ejections (.*)$")
        if id then
            out[#out + 1] = format("headgate_peer_ejections_total{%s} %d", backend_labels(id),
                dict:get(key) or 0)
        end
    end
    out[#out + 1] = "# HELP headgate_peers_ejected Peers of a Service that are ejected now."
    out[#out + 1] = "# TYPE headgate_peers_ejected gauge"
    for _, id in ipairs(peer_report.troubled_ids()) do
        out[#out + 1] = format("headgate_peers_ejected{%s} %d", backend_labels(id),
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
    local out = {}
    by_route(out)
    by_backend(out)
    histogram(out)
    local summary = store.summary()
    out[#out + 1] = "# HELP headgate_documents Documents held, by kind."
    out[#out + 1] = "# TYPE headgate_documents gauge"
    for kind, held in pairs(summary.kinds) do
        out[#out + 1] = format('headgate_documents{kind="%s"} %d', kind, held.count)
    end
    out[#out + 1] = "# HELP headgate_shared_memory_bytes Size of a shared dict, and what is free."
    out[#out + 1] = "# TYPE headgate_shared_memory_bytes gauge"
    for _, name in ipairs({ "documents", "versions", "metrics", "health", "load" }) do
        local shared = ngx.shared["headgate_" .. name]
        if shared then
            memory_of(out, name, shared)
        end
    end
    out[#out + 1] = "# HELP headgate_metrics_dropped_total Counts lost for want of memory."
    out[#out + 1] = "# TYPE headgate_metrics_dropped_total counter"
    out[#out + 1] = format("headgate_metrics_dropped_total %d", dict:get("dropped") or 0)
    return table.concat(out, "\n") .. "\n"
end

return _M
