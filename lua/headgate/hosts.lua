--- Which host's table decides for a name.
-- `seen` is the number of changes that a decision began with, as for headgate.store.

local paths = require("headgate.paths")
local router = require("headgate.router")
local store = require("headgate.store")

local get = store.get_at
local wildcard = router.wildcard
local HOST = store.host

local _M = {}

--- The document of a name: its own, that of the wildcard that covers it, or that of "_".
---@param name string lower case, without port
---@param seen integer?
---@return table? host
---@return boolean exact it is the name's own
function _M.document(name, seen)
    local host = get(HOST, name, seen)
    if host then
        return host, true
    end
    local covering = wildcard(name)
    host = covering and get(HOST, covering, seen)
    return host or get(HOST, "_", seen), false
end

--- The host whose table decides: the host itself, or the one that it is another name of.
---@param host table
---@param seen integer?
---@return table? decider
---@return string? reason
function _M.deciding(host, seen)
    local alias = host.alias
    if not alias then
        return host
    end
    local target = get(HOST, alias, seen)
    if not target then
        return nil, "host " .. alias .. ", which decides for this one, is missing"
    end
    if target.broken then
        return nil, target.broken
    end
    if target.alias then
        return nil, "host " .. alias .. ", which decides for this one, is another name itself"
    end
    return target
end

--- The table that decides for a name.
---@param name string as a client says it, lower case, without port
---@param seen integer?
---@return table? decider
---@return table|integer host_or_status the name's document
---@return boolean|string exact_or_reason whether the document is the name's own
function _M.table_of(name, seen)
    local host, exact = _M.document(name, seen)
    if not exact and not paths.is_host(name) then
        return nil, 400, "not a host name"
    end
    if not host then
        if not store.is_known() then
            return nil, 503, "nothing is known yet"
        end
        return nil, 404, "no such host"
    end
    if host.broken then
        return nil, 503, host.broken
    end
    if host.alias then
        local decider, reason = _M.deciding(host, seen)
        return decider, decider and host or 503, decider and exact or reason
    end
    return host, host, exact
end

return _M
