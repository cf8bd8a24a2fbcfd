--- What is measured of each Service: when a request ends, and as Prometheus text.

local labels = require("headgate.metrics.metric_labels")
local series = require("headgate.metrics.service_series")

local format = string.format
local ipairs, pairs, tonumber, tostring = ipairs, pairs, tonumber, tostring
local count, of = series.count, series.of
local ngx = ngx
local var = ngx.var

local _M = {}

--- Counts a request that a peer was chosen for, in the log phase.
---@param ctx table of the request
---@param backend table decoded
---@param duration number seconds
function _M.log(ctx, backend, duration)
    local counted = backend.series
    if not counted then
        -- Here and not where it is decoded: most backends get requests in few workers.
        counted = of(backend.id)
        backend.series = counted
    end
    -- The header of an error page of ours is no answer.
    local answered = not ctx.unanswered and ctx.answered
    count(counted, duration, answered and answered - ctx.asked_at,
        tonumber(var.request_length) or 0, tonumber(var.bytes_sent) or 0)
end

local function write_histogram(out, name, help, found)
    out[#out + 1] = "# HELP " .. name .. " " .. help
    out[#out + 1] = "# TYPE " .. name .. " histogram"
    for _, id in ipairs(found.ids) do
        local counts, where = found.by_id[id], labels.of_backend(id)
        local total = 0
        for i, bound in ipairs(series.BUCKETS) do
            total = total + (counts[i] or 0)
            out[#out + 1] = format('%s_bucket{%s,le="%s"} %d', name, where, tostring(bound), total)
        end
        total = total + (counts[#series.BUCKETS + 1] or 0)
        out[#out + 1] = format('%s_bucket{%s,le="+Inf"} %d', name, where, total)
        out[#out + 1] = format("%s_sum{%s} %s", name, where, labels.number(counts[0] or 0))
        out[#out + 1] = format("%s_count{%s} %d", name, where, total)
    end
end

local function write_counter(out, name, help, found)
    out[#out + 1] = "# HELP " .. name .. " " .. help
    out[#out + 1] = "# TYPE " .. name .. " counter"
    for _, id in ipairs(found.ids) do
        out[#out + 1] = format("%s{%s} %s", name, labels.of_backend(id),
            labels.number(found.by_id[id][0] or 0))
    end
end

--- Writes what the keys of shared memory have of Services.
---@param out string[] lines
---@param keys string[] sorted
---@param get fun(key: string): number?
function _M.write(out, keys, get)
    local all = {}
    for _, name in pairs({ series.DURATION, series.HEADER, series.RECEIVED, series.SENT }) do
        all[name] = { ids = {}, by_id = {} }
    end
    for _, key in ipairs(keys) do
        local name, bucket, id = series.read_key(key)
        local found = name and all[name]
        if found then
            if not found.by_id[id] then
                found.by_id[id] = {}
                found.ids[#found.ids + 1] = id
            end
            found.by_id[id][bucket] = get(key)
        end
    end
    for _, found in pairs(all) do
        table.sort(found.ids)
    end
    write_histogram(out, "headgate_service_request_duration_seconds",
        "Time from the first byte of a request to its end.", all[series.DURATION])
    write_histogram(out, "headgate_service_response_header_seconds",
        "Time from the last try of a request to the header of its answer.", all[series.HEADER])
    write_counter(out, "headgate_service_request_bytes_total",
        "Bytes of requests, headers and bodies.", all[series.RECEIVED])
    write_counter(out, "headgate_service_response_bytes_total",
        "Bytes sent to clients, headers and bodies.", all[series.SENT])
end

return _M
