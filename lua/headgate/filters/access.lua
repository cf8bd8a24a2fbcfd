--- The guard by the client's address. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local networks = require("headgate.networks")

local ipairs = ipairs
local contains = networks.contains

local _M = {}

local function network(value, field)
    if type(value) ~= "string" or #value > 64 or not networks.parse(value) then
        return field .. ": not a network without host bits, as 10.0.0.0/8"
    end
end

local function few(value, field)
    local count = #value.deny
    for _, list in ipairs(value.allow) do
        count = count + #list
    end
    if count > limits.access_networks_max then
        return field .. ": more than " .. limits.access_networks_max .. " networks"
    end
end

local network_list = checks.list(network, limits.access_networks_max)

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("access"),
    allow = checks.list(network_list, limits.route_filters_max),
    deny = network_list,
}, few)

local judge, note

--- Prepares a guard.
---@param value table
---@return headgate.guard
function _M.new(value)
    local allow = {}
    for _, list in ipairs(value.allow) do
        if #list > 0 then
            allow[#allow + 1] = networks.compile(list)
        end
    end
    local deny = #value.deny > 0 and networks.compile(value.deny) or nil
    return { allow = allow, deny = deny, judge = judge, note = note }
end

--- Whether a client may pass: it is in no denied network, and in one of each list that allows.
-- A guard that knows no address lets nobody through.
---@param guard table
---@param client string? bytes, as headgate.networks.client gives them
---@return boolean
function _M.passes(guard, client)
    if not client then
        return false
    end
    if guard.deny and contains(guard.deny, client) then
        return false
    end
    local allow = guard.allow
    for i = 1, #allow do
        if not contains(allow[i], client) then
            return false
        end
    end
    return true
end

function judge(guard, request)
    local client = request.client
    if client == nil and request.as then
        return
    end
    if not _M.passes(guard, client) then
        return 403, "the client's address is not allowed"
    end
end

function note(_, request)
    return request.client == nil and "guards by address are left out: give client" or nil
end

return _M
