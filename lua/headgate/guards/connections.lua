--- How many requests are in flight of something, over all workers. Each worker keeps its own share
-- beside the sum, so that what a killed worker had can be taken off again.

local clients = require("headgate.guards.clients")

local match = string.match
local ipairs, tonumber = ipairs, tonumber
local concat = table.concat

local dict = ngx.shared.headgate_connections
local pid_of = ngx.worker.pid

-- How long a sum of nothing stays: it is asked for again soon.
local IDLE_S = 60
-- Longer than any sweep.
local SWEEP_S = 60

local _M = {}

local used = false
local seen

local function share_key(key)
    return pid_of() .. " " .. key
end

--- Counts a request. It must be given back with `leave`, once.
---@param key string without a space behind leading digits
---@return integer? count with this one; nil: there is no memory for it
function _M.enter(key)
    if not used then
        used = true
        dict:set("#used", true)
    end
    local count, _, forcible = dict:incr(key, 1, 0)
    if forcible or not count then
        clients.evictions = clients.evictions + 1
    end
    if not count then
        return nil
    end
    if count <= 1 then
        dict:expire(key, 0)
    end
    local _, _, forcible_too = dict:incr(share_key(key), 1, 0)
    if forcible_too then
        clients.evictions = clients.evictions + 1
    end
    return count
end

local function take_off(key, share)
    local left = dict:incr(key, -share)
    if left and left <= 0 then
        if left < 0 then
            dict:set(key, 0)
        end
        dict:expire(key, IDLE_S)
        if dict:get(key) ~= 0 then
            -- Somebody came in between.
            dict:expire(key, 0)
        end
    end
end

--- Gives a request back.
---@param key string
function _M.leave(key)
    take_off(key, 1)
    local own = share_key(key)
    local share = dict:incr(own, -1)
    if share and share <= 0 then
        dict:delete(own)
    end
end

--- Takes off what workers had that are gone.
---@param alive fun(pid: integer): boolean
function _M.sweep(alive)
    if not dict or not dict:get("#used") then
        return
    end
    for _, own in ipairs(dict:get_keys(0)) do
        local pid, key = match(own, "^(%d+) (.+)$")
        -- One worker alone may take it off.
        if pid and not alive(tonumber(pid)) and dict:add("#sweep " .. own, true, SWEEP_S) then
            local share = dict:get(own)
            if share then
                dict:delete(own)
                take_off(key, share)
            end
        end
    end
end

--- Once a second: sweeps when workers are not those of the second before.
---@param list fun(): { pid: integer }[] the workers that live
---@param alive fun(pid: integer): boolean
function _M.tick(list, alive)
    if not dict or not dict:get("#used") then
        return
    end
    local pids = {}
    for i, worker in ipairs(list()) do
        pids[i] = worker.pid
    end
    local now = concat(pids, " ")
    if seen == now then
        return
    end
    seen = now
    -- Looking through all keys holds up whoever counts: one worker does it.
    if dict:add("#swept " .. now, true, SWEEP_S) then
        _M.sweep(alive)
    end
end

return _M
