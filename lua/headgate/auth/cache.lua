--- What services have said of late, in this worker. Pure: time is an argument.
-- Bounded by entries and by bytes: two halves, of which the older one is dropped when the younger
-- is full. What is asked for again in time moves to the younger one.

local limits = require("headgate.limits")

local _M = {}

local function half()
    return { entries = {}, count = 0, bytes = 0 }
end

local young, old = half(), half()

local function put(key, entry)
    local known = young.entries[key]
    if known then
        young.count, young.bytes = young.count - 1, young.bytes - known.bytes
    end
    if young.count >= limits.auth_cache_entries_max / 2
        or young.bytes + entry.bytes > limits.auth_cache_bytes_max / 2
    then
        young.entries[key] = nil
        old, young = young, half()
    end
    young.entries[key] = entry
    young.count, young.bytes = young.count + 1, young.bytes + entry.bytes
end

--- What is held under a key: the whole key is compared, so no two requests share by chance.
---@param key string
---@param now number
---@return table? value
function _M.get(key, now)
    local entry = young.entries[key]
    if not entry then
        entry = old.entries[key]
        if entry and now < entry.till then
            old.entries[key] = nil
            put(key, entry)
        end
    end
    if entry and now < entry.till then
        return entry.value
    end
end

--- Holds a value for a time; one that is too large is not held.
---@param key string
---@param value table
---@param bytes integer about what the value takes
---@param till number when it is out of date
function _M.set(key, value, bytes, till)
    bytes = bytes + #key
    if bytes <= limits.auth_cache_entry_bytes_max then
        put(key, { value = value, bytes = bytes, till = till })
    end
end

--- How much is held, for tests.
---@return integer entries
---@return integer bytes
function _M.held()
    return young.count + old.count, young.bytes + old.bytes
end

--- Forgets all of it.
function _M.clear()
    young, old = half(), half()
end

return _M
