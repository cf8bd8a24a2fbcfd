--- Requests in flight of all workers, by peer, for those ways to balance that ask for them.
--
-- For each peer one number that all workers change, and for each worker the part of it that is its
-- own: when a worker was killed, another one takes its part off the sum.

local limits = require("headgate.limits")
local peers = require("headgate.peers")
local store = require("headgate.store")

local match, sub = string.match, string.sub
local ipairs = ipairs
local ngx = ngx
-- A configuration that is older than this code has none: then each worker knows its own alone.
local dict = ngx.shared.headgate_load

local _M = {}

---@class headgate.load of a decoded backend, in one worker
---@field sums string[] keys of the numbers of all workers, by index
---@field parts string[] keys of this worker's parts
---@field states headgate.peer_state[]

--- The counts of a backend's peers.
---@param backend table
---@param states headgate.peer_state[] in the order of the peers
---@return headgate.load
function _M.of(backend, states)
    local load = backend.load
    if not load then
        load = { sums = {}, parts = {}, states = states }
        local pid = ngx.worker.pid()
        for index, name in ipairs(peers.names_of(backend)) do
            load.sums[index] = "sum " .. backend.id .. " " .. name
            load.parts[index] = "part " .. pid .. " " .. backend.id .. " " .. name
        end
        backend.load = load
    end
    return load
end

--- How many requests are in flight to a peer.
---@param load headgate.load
---@param index integer
---@return integer
function _M.read(load, index)
    if not dict then
        return load.states[index].in_flight
    end
    local sum = dict:get(load.sums[index])
    return sum and sum > 0 and sum or 0
end

local function add_one(key)
    if dict:incr(key, 1) then
        return true
    end
    -- Never incr with a first value: that throws out another count where memory is short.
    dict:safe_add(key, 0)
    return dict:incr(key, 1) ~= nil
end

local function write_part(key, number)
    if number > 0 then
        return dict:safe_set(key, number)
    end
    return dict:delete(key)
end

--- Counts a request.
---@param load headgate.load
---@param index integer
---@return table? counted for `finish`; nil: it could not be counted
function _M.begin(load, index)
    if not dict then
        return nil
    end
    local state, part = load.states[index], load.parts[index]
    local number = (state.counted or 0) + 1
    if not write_part(part, number) then
        return nil
    end
    if not add_one(load.sums[index]) then
        write_part(part, number - 1)
        return nil
    end
    state.counted = number
    return { state = state, sum = load.sums[index], part = part }
end

--- Ends the count of a request.
---@param counted table
function _M.finish(counted)
    local state = counted.state
    state.counted = state.counted - 1
    dict:incr(counted.sum, -1)
    write_part(counted.part, state.counted)
end

--- Notes that this worker lives. Each start has a number of its own.
---@param pid integer
function _M.enlist(pid)
    if dict then
        local number = dict:incr("#enlisted", 1, 0)
        dict:safe_set("#worker " .. number, pid)
    end
end

local function take_off(pid)
    local prefix = "part " .. pid .. " "
    for _, key in ipairs(dict:get_keys(0)) do
        if sub(key, 1, #prefix) == prefix then
            local number = dict:get(key)
            dict:delete(key)
            if number then
                dict:incr("sum " .. sub(key, #prefix + 1), -number)
            end
        end
    end
end

-- Sums of peers that are gone.
local function forget_gone()
    local there = {}
    for _, key in ipairs(dict:get_keys(0)) do
        local id, name = match(key, "^sum (%S+) (%S+)$")
        if id and dict:get(key) == 0 then
            if not there[id] then
                there[id] = {}
                local backend = store.get(store.backend, id)
                for _, each in ipairs(backend and peers.names_of(backend) or {}) do
                    there[id][each] = true
                end
            end
            if not there[id][name] then
                dict:delete(key)
            end
        end
    end
end

--- Takes what workers held that were killed off the sums. Each second, by one worker.
---@param alive fun(pid: integer): boolean
function _M.sweep(alive)
    if not dict or ngx.worker.id() ~= 0 then
        return
    end
    local first, last = dict:get("#first") or 1, dict:get("#enlisted") or 0
    for number = first, last do
        local pid = dict:get("#worker " .. number)
        if pid and not alive(pid) then
            take_off(pid)
            dict:delete("#worker " .. number)
            pid = nil
        end
        if not pid and number == first then
            first = number + 1
            dict:safe_set("#first", first)
        end
    end
    if dict:free_space() < dict:capacity() * limits.load_free_share then
        forget_gone()
    end
end

return _M
