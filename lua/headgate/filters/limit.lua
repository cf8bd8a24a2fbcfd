--- The guard by number: requests in a time and requests at a time of one client. And how fast an
-- answer is written. Their shapes. Pure; headgate.guards.throttle counts.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local networks = require("headgate.networks")

local ipairs, type = ipairs, type

local _M = {
    -- Set by headgate.guards.throttle. Without it nobody is let in.
    ---@type function?
    judge = nil,
}

local function network(value, field)
    if type(value) ~= "string" or #value > 64 or not networks.parse(value) then
        return field .. ": not a network without host bits, as 10.0.0.0/8"
    end
end

--- What the document of a limit may look like. `key` says whose requests are counted together.
_M.check = checks.object({
    kind = checks.one_of("limit"),
    key = checks.text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+$", "a key of two parts"),
    exempt = checks.list(network, limits.access_networks_max),
    connections = checks.integer(0, limits.limit_max),
    rates = checks.list(checks.object({
        requests = checks.integer(1, limits.limit_max),
        period_s = checks.integer(1, 3600),
        burst = checks.integer(0, limits.limit_burst_max),
    }), limits.limit_rates_max),
    status = checks.one_of(429, 503),
}, function(value, field)
    local taken = {}
    for i, rate in ipairs(value.rates) do
        if taken[rate.period_s] then
            return field .. ".rates[" .. (i - 1) .. "]: a second one of its period"
        end
        taken[rate.period_s] = true
    end
end)

--- What the document of a bandwidth may look like.
_M.check_bandwidth = checks.object({
    kind = checks.one_of("bandwidth"),
    bytes_per_s = checks.integer(1, limits.bandwidth_max),
    after_bytes = checks.integer(0, limits.bandwidth_max),
})

---@class headgate.rate
---@field prefix string of its keys in shared memory
---@field increment number seconds that one request takes
---@field tolerance number seconds that requests may be ahead

local function note(_, request)
    return request.as and "limits by number are left out" or nil
end

--- Prepares the guard.
---@param value table
---@return headgate.guard
function _M.new(value)
    local rates = {}
    for i, rate in ipairs(value.rates) do
        local increment = rate.period_s / rate.requests
        rates[i] = {
            prefix = value.key .. " " .. rate.period_s .. " ",
            increment = increment,
            tolerance = rate.burst * increment,
        }
    end
    return {
        prefix = value.key .. " ",
        exempt = #value.exempt > 0 and networks.compile(value.exempt) or nil,
        connections = value.connections,
        rates = rates,
        status = value.status,
        judge = _M.judge,
        note = note,
    }
end

return _M
