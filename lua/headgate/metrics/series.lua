--- Counters of requests, summed in the worker. Pure: shared memory is an argument.
-- Flushed each second: a dict:incr for each request costs a fifth of a request. A worker that is
-- killed loses at most that second. Series are those of existing routes, never a client's words.

local pairs = pairs

local _M = {}

--- Upper bounds of the histogram, in seconds.
_M.BUCKETS = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 }

local BUCKETS = _M.BUCKETS
local BUCKET_COUNT = #BUCKETS

local held = {}
local histogram = { sum = 0 }
for i = 1, BUCKET_COUNT + 1 do
    histogram[i] = 0
end

--- The series of a label "<namespace>/<ingress>/<service>".
---@param label string
---@return table
function _M.of(label)
    local series = held[label]
    if not series then
        -- 1 to 5: answers by status class; seconds: time they took.
        series = { 0, 0, 0, 0, 0, seconds = 0, label = label, dirty = false }
        held[label] = series
    end
    return series
end

--- Counts one answer.
---@param series table
---@param status integer
---@param seconds number
function _M.count(series, status, seconds)
    local class = (status - status % 100) / 100
    if class < 1 or class > 5 then
        class = 5
    end
    series[class] = series[class] + 1
    series.seconds = series.seconds + seconds
    series.dirty = true
    for i = 1, BUCKET_COUNT do
        if seconds <= BUCKETS[i] then
            histogram[i] = histogram[i] + 1
            histogram.sum = histogram.sum + seconds
            return
        end
    end
    histogram[BUCKET_COUNT + 1] = histogram[BUCKET_COUNT + 1] + 1
    histogram.sum = histogram.sum + seconds
end

--- Adds what was counted since the last time to shared memory.
---@param add fun(key: string, amount: number)
function _M.flush(add)
    for _, series in pairs(held) do
        if series.dirty then
            series.dirty = false
            for class = 1, 5 do
                if series[class] > 0 then
                    add("requests " .. class .. " " .. series.label, series[class])
                    series[class] = 0
                end
            end
            add("seconds " .. series.label, series.seconds)
            series.seconds = 0
        end
    end
    for i = 1, BUCKET_COUNT + 1 do
        if histogram[i] > 0 then
            add("bucket " .. i, histogram[i])
            histogram[i] = 0
        end
    end
    if histogram.sum > 0 then
        add("bucket sum", histogram.sum)
        histogram.sum = 0
    end
end

--- Forgets the series of labels that no route has any more.
---@param in_use table<string, boolean>
function _M.keep(in_use)
    for label, series in pairs(held) do
        if not in_use[label] and not series.dirty then
            held[label] = nil
        end
    end
end

return _M
