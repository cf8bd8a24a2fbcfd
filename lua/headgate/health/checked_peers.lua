--- Which peers fail the checks of the agent: in shared memory, by the id of the backend. What was
-- said is forgotten when it was not said again in time: an agent that is gone keeps nobody out.

local cjson = require("cjson").new()
local checks = require("headgate.checks")
local documents = require("headgate.documents")
local limits = require("headgate.limits")

local encode = cjson.encode
local floor, max = math.floor, math.max
local ipairs, pcall = ipairs, pcall
local sub = string.sub
local ngx = ngx
-- A configuration that is older than this code has none.
local dict = ngx.shared.headgate_health
local versions = ngx.shared.headgate_versions

local _M = {}

local PREFIX = "a:"
-- Its end is told to the workers before shared memory forgets it.
local GRACE_S = 60

---@class headgate.failing_peer
---@field address string with port
---@field cause string
---@field since number seconds since 1970

local check_line = checks.object({
    backend = function(value, field)
        local ok, problem = documents.check_key("backend", value)
        return not ok and field .. ": " .. problem or nil
    end,
    ttl_s = checks.integer(1, limits.failing_ttl_s_max),
    peers = checks.list(checks.object({
        address = checks.text(80, "^%S+:%d+$", "an address with a port"),
        cause = checks.text(100),
        since = function(value, field)
            return type(value) ~= "number" and field .. ": not a number" or nil
        end,
    }), limits.failing_peers_max),
})

-- Any worker's next request looks again.
local function announce()
    versions:incr("#changes", 1, 0)
end

local function decode(text)
    local ok, value = pcall(cjson.decode, text)
    return ok and type(value) == "table" and value or nil
end

local function same(before, text)
    return before ~= nil and sub(before, (before:find("\n", 1, true) or 0) + 1) == text
end

local function store(id, ttl_s, peers)
    local key = PREFIX .. id
    local before = dict:get(key)
    if #peers == 0 then
        if before then
            dict:delete(key)
            announce()
        end
        return "applied"
    end
    local text = encode(peers)
    -- Its end stands before it, so that saying it again changes nothing that is looked at.
    if not dict:safe_set(key, floor(ngx.now() + ttl_s) .. "\n" .. text, ttl_s + GRACE_S) then
        -- What is not known keeps nobody out.
        return "no-memory"
    end
    if not same(before, text) then
        announce()
    end
    return "applied"
end

--- Takes in what the agent says of one backend.
---@param line string JSON: `backend`, `ttl_s`, `peers`
---@return string result applied, invalid or no-memory
---@return string? problem of what is invalid
function _M.apply(line)
    if not dict then
        return "no-memory"
    end
    local value = decode(line)
    if not value then
        return "invalid", "line: not JSON"
    end
    local problem = check_line(value, "line")
    if problem then
        return "invalid", problem
    end
    return store(value.backend, value.ttl_s, value.peers)
end

--- What is said of a backend, as text: equal where the same was said.
---@param id string
---@return string? text
function _M.text(id)
    local held = dict and dict:get(PREFIX .. id)
    return held and sub(held, held:find("\n", 1, true) + 1) or nil
end

--- The peers by their names.
---@param text string? of `text`
---@return table<string, headgate.failing_peer>
function _M.by_name(text)
    local found = {}
    for _, peer in ipairs(text and decode(text) or {}) do
        found[peer.address] = peer
    end
    return found
end

--- The ids of the backends with peers that fail.
---@return string[]
function _M.ids()
    local ids = {}
    for _, key in ipairs(dict and dict:get_keys(0) or {}) do
        if sub(key, 1, #PREFIX) == PREFIX then
            ids[#ids + 1] = sub(key, #PREFIX + 1)
        end
    end
    return ids
end

--- Forgets what was not said again in time. Each second, by one worker.
---@param now number
function _M.sweep(now)
    for _, id in ipairs(_M.ids()) do
        local held = dict:get(PREFIX .. id)
        local ends = held and tonumber(sub(held, 1, max(held:find("\n", 1, true) - 1, 0)))
        if ends and (ends < now or ends > now + 2 * limits.failing_ttl_s_max) then
            dict:delete(PREFIX .. id)
            announce()
        end
    end
end

return _M
