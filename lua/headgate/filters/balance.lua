--- How a route balances, where it is not round robin: the shape of the filter and its prepared
-- form. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local parts = require("headgate.parts")

local find, sub = string.find, string.sub
local ipairs = ipairs

local _M = {}

local check_kind = checks.one_of("balance")
local check_key = checks.list(checks.text(limits.text_bytes_max), limits.hash_parts_max)
local check_bound = checks.integer(0, limits.hash_bound_max)

local check_plain = checks.object({
    kind = check_kind, by = checks.one_of("ewma", "least_conn"),
})
local check_hash = checks.object({
    kind = check_kind,
    by = checks.one_of("hash"),
    key = check_key,
    bound = check_bound,
}, function(value, field)
    if #value.key == 0 then
        return field .. ".key: empty"
    end
    for i, part in ipairs(value.key) do
        if sub(part, 1, 1) == "$" and not find(part, "^%$[a-z][a-z0-9_]*$") then
            return field .. ".key[" .. (i - 1) .. "]: not the name of a variable"
        end
    end
    if value.bound ~= 0 and value.bound <= 100 then
        return field .. ".bound: neither 0 nor more than 100"
    end
end)

--- What its document may look like.
---@param value any
---@param field string
---@return string? problem
function _M.check(value, field)
    if value.by == "hash" then
        return check_hash(value, field)
    end
    return check_plain(value, field)
end

---@class headgate.balance
---@field key headgate.part[]? of a hash
---@field timed boolean? peak EWMA: how late answers come is taken in
---@field by_load boolean? least connections
---@field sticky boolean? a request goes where the picker leads it, and nowhere else to try a peer
---@field pin headgate.pin? sessions are led by a cookie, others as `base` says
---@field base headgate.balance?
---@field mark string? with `pin`: what its cookies have of the Service
---@field bound number? how many times its share of the requests in flight a peer may have

--- Prepares the filter.
---@param value table
---@return headgate.balance
function _M.new(value)
    if value.by ~= "hash" then
        return { timed = value.by == "ewma", by_load = value.by == "least_conn" }
    end
    return {
        key = parts.new(value.key),
        bound = value.bound > 0 and value.bound / 100 or nil,
        sticky = true,
    }
end

return _M
