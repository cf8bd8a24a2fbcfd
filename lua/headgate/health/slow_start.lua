--- Peers that are new get few requests at first, and each second more, until their time is over.
--
-- Which are new is found when a backend's document is pushed: those that the one before did not
-- have. That stands in shared memory for as long as it counts, so it is the same for all workers,
-- and nothing is new after a start of nginx, nor where all peers are.

local cjson = require("cjson").new()
local peers = require("headgate.peers")

local ipairs, next, pairs, pcall, type = ipairs, next, pairs, pcall, type
local max, min = math.max, math.min
local random = math.random
local ngx = ngx
local now = ngx.now
-- A configuration that is older than this code has none.
local dict = ngx.shared.headgate_health

local _M = {
    --- For backends that say nothing; 0: off.
    usual_s = 0,
}

-- Of its requests that a peer gets at the beginning.
local SHARE_MIN = 0.1

local function decode(text)
    local ok, value = pcall(cjson.decode, text)
    return ok and type(value) == "table" and value or nil
end

local function name(value, i)
    local address = value.addresses[i]
    local host = address:find(":", 1, true) and "[" .. address .. "]" or address
    return host .. ":" .. value.ports[i]
end

local function names(value)
    local found = {}
    for i = 1, #value.addresses do
        found[name(value, i)] = true
    end
    return found
end

-- The new peers of a backend by name, with the time when they came; nil: none.
local function young_of(line, before, seconds, at)
    local known = names(before)
    if next(known) == nil then
        return nil
    end
    local since = decode(dict:get("s:" .. line.key) or "") or {}
    local young = {}
    for each in pairs(names(line.value)) do
        local began = not known[each] and at or since[each]
        if type(began) == "number" and at - began < seconds then
            young[each] = began
        end
    end
    return next(young) ~= nil and young or nil
end

--- Notes which peers of a backend a push brings. Call it before the push counts.
---@param line table the document, with `key` and `value`
---@param text_of fun(kind: string, key: string): string? gives the one that is held
---@return string? before to be handed to `undo` if the push does not count
function _M.note(line, text_of)
    local seconds = line.value.slow_start_s or _M.usual_s
    local key = "s:" .. line.key
    if not dict or (seconds == 0 and not dict:get(key)) then
        return nil
    end
    local held = dict:get(key)
    local text = seconds > 0 and text_of("backend", line.key)
    local before = text and decode(text)
    local young = before and young_of(line, before.value, seconds, now())
    if young then
        dict:safe_set(key, cjson.encode(young), seconds)
    else
        dict:delete(key)
    end
    return held
end

--- Takes a note back.
---@param id string
---@param held string? what `note` gave
function _M.undo(id, held)
    if not dict then
        return
    elseif held then
        dict:safe_set("s:" .. id, held, _M.usual_s > 0 and _M.usual_s or 60)
    else
        dict:delete("s:" .. id)
    end
end

---@class headgate.young
---@field list { index: integer, began: number }[]
---@field seconds number how long a peer is new
---@field ends number when none is any more

--- The new peers of a decoded backend; nil: there are none.
---@param backend table
---@return headgate.young?
function _M.look(backend)
    local seconds = backend.slow_start_s or _M.usual_s
    local text = seconds > 0 and dict and dict:get("s:" .. backend.id)
    local since = text and decode(text)
    if not since then
        return nil
    end
    local list, ends = {}, 0
    for index, each in ipairs(peers.names_of(backend)) do
        local began = since[each]
        if type(began) == "number" then
            list[#list + 1] = { index = index, began = began }
            ends = max(ends, began + seconds)
        end
    end
    return #list > 0 and { list = list, seconds = seconds, ends = ends } or nil
end

--- Bars new peers from a request as often as they shall not have it.
---@param backend table with `young`
---@param barred table<integer, boolean>? who is barred anyway; it is not changed
---@return table<integer, boolean>? barred
function _M.hold_back(backend, barred)
    local young, at = backend.young, now()
    if at >= young.ends then
        backend.young = nil
        return barred
    end
    local more
    for _, each in ipairs(young.list) do
        local grown = min(1, max(0, (at - each.began) / young.seconds))
        if random() >= SHARE_MIN + (1 - SHARE_MIN) * grown then
            if not more then
                more = {}
                for index = 1, backend.count do
                    more[index] = barred and barred[index] or nil
                end
            end
            more[each.index] = true
        end
    end
    return more or barred
end

return _M
