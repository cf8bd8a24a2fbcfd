--- Counters of the requests of each backend, summed in the worker as headgate.metrics.series does
-- it. Pure.
-- Kept by the ids of existing backends, so their number is bounded by the documents.

local match = string.match
local ipairs, pairs, tonumber = ipairs, pairs, tonumber

local _M = {}

--- Upper bounds of both histograms, in seconds. Fewer than those of all requests: each Service has
-- them.
_M.BUCKETS = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }

local BUCKETS = _M.BUCKETS
local COUNT = #BUCKETS
-- One more, for what is longer.
local SIZE = COUNT + 1

--- What is counted, as it is written into keys of shared memory.
_M.DURATION, _M.HEADER, _M.RECEIVED, _M.SENT = "duration", "header", "received", "sent"

local held, made = {}, 0

-- A flush takes each so many times less often than it is called, some at each call: a Service has
-- ten numbers and more, and to write those of a thousand each second costs requests a twentieth.
_M.TURNS = 10
local TURNS = _M.TURNS
local turn = 0

---@class headgate.service_series 1 to 12: requests by duration; 13 to 24: by time to the header
---@field id string of the backend
---@field turn integer which of the flushes takes it
---@field dirty boolean
---@field duration number sum in seconds
---@field header number sum in seconds
---@field received integer bytes
---@field sent integer bytes

--- The series of a backend.
---@param id string
---@return headgate.service_series
function _M.of(id)
    local series = held[id]
    if not series then
        made = made + 1
        series = {
            id = id, turn = made % TURNS, dirty = false,
            duration = 0, header = 0, received = 0, sent = 0,
        }
        for i = 1, 2 * SIZE do
            series[i] = 0
        end
        held[id] = series
    end
    return series
end

local function bucket_of(seconds)
    for i = 1, COUNT do
        if seconds <= BUCKETS[i] then
            return i
        end
    end
    return SIZE
end

--- Counts one request that a peer was chosen for.
---@param series headgate.service_series
---@param duration number seconds from its first byte to its end
---@param header number? seconds from the try that was answered to the header of the answer
---@param received integer bytes of the client
---@param sent integer bytes to the client
function _M.count(series, duration, header, received, sent)
    local at = bucket_of(duration)
    series[at] = series[at] + 1
    series.duration = series.duration + duration
    if header then
        at = SIZE + bucket_of(header)
        series[at] = series[at] + 1
        series.header = series.header + header
    end
    series.received = series.received + received
    series.sent = series.sent + sent
    series.dirty = true
end

local function flush_histogram(series, name, first, add)
    for i = 1, SIZE do
        local counted = series[first + i]
        if counted > 0 then
            add("service " .. name .. " " .. i .. " " .. series.id, counted)
            series[first + i] = 0
        end
    end
    -- Also where it is 0: who has buckets has a sum.
    add("service " .. name .. " 0 " .. series.id, series[name])
    series[name] = 0
end

--- Adds what was counted since the last time to shared memory, of the backends whose turn it is.
---@param add fun(key: string, amount: number)
---@param is_there fun(id: string): boolean whether there is such a backend: the counts of one that
---  is gone are dropped, for nobody would take them out of shared memory again
---@param all boolean? of all backends
function _M.flush(add, is_there, all)
    turn = (turn + 1) % TURNS
    for id, series in pairs(held) do
        local due = series.dirty and (all or series.turn == turn)
        if due and not is_there(id) then
            held[id] = nil
        elseif due then
            series.dirty = false
            flush_histogram(series, _M.DURATION, 0, add)
            flush_histogram(series, _M.HEADER, SIZE, add)
            for _, name in ipairs({ _M.RECEIVED, _M.SENT }) do
                add("service " .. name .. " 0 " .. series.id, series[name])
                series[name] = 0
            end
        end
    end
end

--- What a key of shared memory is about.
---@param key string
---@return string? name of what is counted; nil for keys of others
---@return integer? bucket 0 for a sum
---@return string? id of the backend
function _M.read_key(key)
    local name, bucket, id = match(key, "^service (%l+) (%d+) (.+)$")
    return name, tonumber(bucket), id
end

--- Forgets the series of backends that are gone.
---@param in_use table<string, table> by id
function _M.keep(in_use)
    for id, series in pairs(held) do
        if not in_use[id] and not series.dirty then
            held[id] = nil
        end
    end
end

return _M
