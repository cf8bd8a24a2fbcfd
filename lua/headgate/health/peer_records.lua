--- What all workers know of peers that were ejected: in shared memory, by the id of the backend.

local cjson = require("cjson").new()
local limits = require("headgate.limits")
local outliers = require("headgate.health.outliers")
local peers = require("headgate.peers")
local store = require("headgate.store")

local sub = string.sub
local ipairs, next, pairs, pcall = ipairs, next, pairs, pcall
local ngx = ngx
-- A configuration that is older than this code has none.
local dict = ngx.shared.headgate_health
local versions = ngx.shared.headgate_versions

local _M = { dict = dict }

--- What is held of a backend, as text.
---@param id string
---@return string? text
function _M.text(id)
    return dict:get("h:" .. id)
end

--- The records of a backend by the names of its peers.
---@param text string? of `text`
---@return table<string, headgate.peer_record>
function _M.decode(text)
    if not text then
        return {}
    end
    local ok, records = pcall(cjson.decode, text)
    return ok and records or {}
end

local function write(id, records)
    if next(records) == nil then
        dict:delete("h:" .. id)
        return true
    end
    -- Where it does not fit, nothing is known of these peers, and all are used.
    return dict:safe_set("h:" .. id, cjson.encode(records), limits.health_ttl_s) or false
end

local function lock(key)
    for _ = 1, limits.health_lock_tries do
        if dict:safe_add(key, ngx.worker.pid(), limits.health_lock_s) then
            return true
        end
    end
    return false
end

--- Changes the records of a backend, and lets the next request in every worker look at them. One
-- worker at a time writes; where the place does not get free in a moment, its holder was killed.
---@param id string
---@param change fun(records: table<string, headgate.peer_record>): boolean false: leave them
---@return boolean done
function _M.update(id, change)
    local key = "l:" .. id
    if not lock(key) then
        return false
    end
    local ok, changed = pcall(function()
        local records = _M.decode(_M.text(id))
        return change(records) and write(id, records)
    end)
    dict:delete(key)
    if not ok then
        ngx.log(ngx.ERR, "health of ", id, ": ", changed)
        return false
    end
    if changed then
        -- The number that each request asks the store for.
        versions:incr("#changes", 1, 0)
    end
    return changed
end

--- The ids of the backends that something is held of, sorted.
---@return string[]
function _M.ids()
    local ids = {}
    for _, key in ipairs(dict:get_keys(0)) do
        if sub(key, 1, 2) == "h:" then
            ids[#ids + 1] = sub(key, 3)
        end
    end
    table.sort(ids)
    return ids
end

local function prune(id, rules, now)
    local backend = store.get(store.backend, id)
    if not backend then
        dict:delete("h:" .. id)
        return
    end
    if backend.broken then
        return
    end
    local there = {}
    for _, name in ipairs(peers.names_of(backend)) do
        there[name] = true
    end
    local function forget(records)
        local over = false
        for name, record in pairs(records) do
            if not there[name] or (not record.out and outliers.times(record, rules, now) == 0) then
                records[name] = nil
                over = true
            end
        end
        return over
    end
    if forget(_M.decode(_M.text(id))) then
        _M.update(id, forget)
    end
end

--- Forgets backends and peers that are gone, and ejections that no longer count.
---@param rules headgate.health_rules
---@param now number
function _M.sweep(rules, now)
    for _, id in ipairs(_M.ids()) do
        prune(id, rules, now)
    end
end

return _M
